//! Tests of deadlines and eviction ranks.

use super::*;

const DEADLINES: Deadlines = Deadlines {
    idle: Duration::from_secs(1000),
    header: Duration::from_secs(10),
    write: Duration::from_secs(20),
    response: Duration::from_secs(100),
};

fn after(activity: &Activity, seconds: u64) -> Option<CutReason> {
    activity.overdue(&DEADLINES, Instant::now() + Duration::from_secs(seconds))
}

#[test]
fn each_phase_has_its_own_deadline() {
    let activity = Activity::new();
    assert_eq!((after(&activity, 999), after(&activity, 1001)), (None, Some(CutReason::Idle)));
    activity.record_read();
    assert_eq!((after(&activity, 9), after(&activity, 11)), (None, Some(CutReason::Header)));
    activity.start_request();
    assert_eq!((after(&activity, 99), after(&activity, 101)), (None, Some(CutReason::Response)));
    activity.record_flush();
    assert_eq!(after(&activity, 101), Some(CutReason::Response), "a flush before the response does not end the request");
    activity.complete_response();
    activity.record_flush();
    assert_eq!((after(&activity, 999), after(&activity, 1001)), (None, Some(CutReason::Idle)));
}

#[test]
fn stalled_writes_are_cut_unless_the_client_reads_again() {
    let activity = Activity::new();
    activity.start_request();
    activity.record_write(true);
    assert_eq!((after(&activity, 19), after(&activity, 21)), (None, Some(CutReason::Write)));
    activity.record_write(false);
    assert_eq!(after(&activity, 21), None);
}

#[test]
fn a_request_received_during_a_response_has_the_header_deadline() {
    let activity = Activity::new();
    activity.start_request();
    activity.record_read();
    activity.complete_response();
    activity.record_flush();
    assert_eq!(after(&activity, 11), Some(CutReason::Header));
}

#[test]
fn scrapers_have_the_highest_eviction_rank() {
    let after = |activity: &Activity, millis| activity.eviction_rank(Instant::now() + Duration::from_millis(millis));
    let (half, idle, scraper, busy) = (Activity::new(), Activity::new(), Activity::new(), Activity::new());
    half.record_read();
    idle.start_request();
    idle.complete_response();
    idle.record_flush();
    for (activity, requests) in [(&scraper, 1), (&busy, 9)] {
        for _ in 0..requests {
            activity.start_request();
            assert_eq!(after(activity, 500), None, "it is busy");
            activity.record_scrape();
            activity.complete_response();
            activity.record_flush();
        }
    }
    let mut all = [(&scraper, "scraper"), (&idle, "idle"), (&busy, "busy"), (&half, "half")];
    all.sort_by_key(|(activity, _)| after(activity, 500).expect("it may be evicted"));
    assert_eq!(all.map(|(_, name)| name), ["half", "idle", "busy", "scraper"]);
    idle.start_waiting();
    assert_eq!(after(&idle, 500), None, "it waits for the server");
    scraper.start_request();
    scraper.record_write(true);
    assert_eq!(after(&scraper, 500), None);
    assert!(matches!(after(&scraper, 1500), Some(EvictionRank::Stalled(_))));
    scraper.cut(CutReason::Evicted);
    assert_eq!(after(&scraper, 1500), None);
}

#[test]
fn the_check_interval_is_bounded() {
    assert_eq!(DEADLINES.check_interval(), Duration::from_millis(2500));
    assert_eq!(Deadlines { idle: Duration::ZERO, ..DEADLINES }.check_interval(), Duration::from_millis(5));
}
