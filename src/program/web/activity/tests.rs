//! What is noted of a connection, and which deadline or eviction follows.

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
fn each_phase_has_its_own_limit() {
    let activity = Activity::new();
    assert_eq!((after(&activity, 999), after(&activity, 1001)), (None, Some(CutReason::Idle)));
    activity.read();
    assert_eq!((after(&activity, 9), after(&activity, 11)), (None, Some(CutReason::Header)));
    activity.request_began();
    assert_eq!((after(&activity, 99), after(&activity, 101)), (None, Some(CutReason::Response)));
    activity.flushed();
    assert_eq!(after(&activity, 101), Some(CutReason::Response), "a flush before the answer ends nothing");
    activity.response_complete();
    activity.flushed();
    assert_eq!((after(&activity, 999), after(&activity, 1001)), (None, Some(CutReason::Idle)));
}

#[test]
fn a_stalled_write_is_cut_in_every_phase_until_a_byte_is_taken() {
    let activity = Activity::new();
    activity.request_began();
    activity.wrote(true);
    assert_eq!((after(&activity, 19), after(&activity, 21)), (None, Some(CutReason::Write)));
    activity.wrote(false);
    assert_eq!(after(&activity, 21), None);
}

#[test]
fn a_header_begun_during_a_response_has_a_headers_time() {
    let activity = Activity::new();
    activity.request_began();
    activity.read();
    activity.response_complete();
    activity.flushed();
    assert_eq!(after(&activity, 11), Some(CutReason::Header));
}

#[test]
fn those_who_only_take_up_room_go_first_and_a_scraper_goes_last() {
    let after = |activity: &Activity, millis| activity.standing(Instant::now() + Duration::from_millis(millis));
    let (half, silent, scraper, busy) = (Activity::new(), Activity::new(), Activity::new(), Activity::new());
    half.read();
    silent.request_began();
    silent.response_complete();
    silent.flushed();
    for (activity, requests) in [(&scraper, 1), (&busy, 9)] {
        for _ in 0..requests {
            activity.request_began();
            assert_eq!(after(activity, 500), None, "it is being answered");
            activity.scraped();
            activity.response_complete();
            activity.flushed();
        }
    }
    let mut all = [(&scraper, "scraper"), (&silent, "silent"), (&busy, "busy"), (&half, "half")];
    all.sort_by_key(|(activity, _)| after(activity, 500).expect("it may go"));
    assert_eq!(all.map(|(_, name)| name), ["half", "silent", "busy", "scraper"]);
    silent.awaits_turn();
    assert_eq!(after(&silent, 500), None, "it is not its fault");
    scraper.request_began();
    scraper.wrote(true);
    assert_eq!(after(&scraper, 500), None);
    assert!(matches!(after(&scraper, 1500), Some(Standing::Stalled(_))));
    scraper.cut(CutReason::Evicted);
    assert_eq!(after(&scraper, 1500), None);
}

#[test]
fn the_check_runs_often_enough_and_not_too_often() {
    assert_eq!(DEADLINES.check_interval(), Duration::from_millis(2500));
    assert_eq!(Deadlines { idle: Duration::ZERO, ..DEADLINES }.check_interval(), Duration::from_millis(5));
}
