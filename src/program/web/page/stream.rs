//! A page being made for one or several scrapes: rendered and compressed on a blocking thread for as long as the clients take it,
//! and put aside, without a thread, while they do not.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::coding::{Coding, Encoder};
use super::spares::Spares;
use super::turns::{Gathering, Member, Sending};
use crate::exposition::Exposition;
use crate::exposition::Negotiated;
use crate::program::web::pulse::Cut;
use crate::program::web::server::Site;

/// Pieces that may wait for a client. A piece is about 64 KiB.
pub(super) const AHEAD: usize = 4;

/// Pieces for which there is to be room before rendering goes on, so that it does not go on for each one.
const ROOM: usize = 2;

/// Pieces of one turn, so that others get theirs.
const TURN: usize = 16;

/// How long a client may hold up others who are sent the same page.
const HOLD_UP: Duration = Duration::from_millis(100);

/// How often one looks whether all have room again.
const LOOK_AROUND: Duration = Duration::from_millis(1);

/// What a scrape is sent.
pub(super) enum Piece {
    /// The turn has come.
    Begun,
    Bytes(Bytes),
    /// That was all.
    End,
}

/// A page half made.
struct Making {
    page: Exposition,
    encoder: Encoder,
    raw: Vec<u8>,
    raw_bytes: usize,
    busy: Duration,
}

/// Why a turn ended.
enum Turn {
    /// There is more to come.
    More(Box<Making>),
    /// The page is complete.
    Complete,
}

/// Makes the page of a gathering, from waiting for a place to its last byte. Never fails: scrapes whose sender goes away without
/// an end are cut.
pub(super) async fn serve(site: Arc<Site>, gathering: Arc<Gathering>) {
    let pages = &site.state.pages;
    let admitted = pages.admit(&gathering).await;
    let members = pages.close(&gathering);
    let Some((_place, turn)) = admitted.filter(|_| !members.is_empty()) else { return };
    let sending = pages.begin(&members);
    members.iter().for_each(|member| drop(member.to.try_send(Piece::Begun)));
    send(&site, members, &sending, (gathering.wanted(), gathering.coding()), turn).await;
    pages.end(&sending);
}

async fn send(
    site: &Arc<Site>,
    mut members: Vec<Member>,
    sending: &Sending,
    (wanted, coding): (Negotiated, Coding),
    turn: OwnedSemaphorePermit,
) {
    let mut turn = Some(turn);
    let mut making = None;
    loop {
        let permit = match turn.take() {
            Some(first) => Ok(first),
            None => Arc::clone(&site.state.pages.turns).acquire_owned().await,
        };
        let Ok(permit) = permit else { return };
        let to_do = making.take();
        let of = Arc::clone(site);
        let done = spawn_blocking(move || {
            let done = Making::go_on(&of, to_do, (wanted, coding), &members);
            drop(permit);
            (done, members)
        });
        let Ok((Ok(done), still)) = done.await else { return };
        members = still;
        sending.waits();
        let Turn::More(more) = done else { break };
        making = Some(*more);
        wait_for_room(&mut members, ROOM).await;
        sending.goes_on();
        if members.is_empty() {
            return;
        }
    }
    for member in &members {
        // Until it has taken all, or is cut by the limits of its connection.
        if member.to.send(Piece::End).await.is_ok() {
            member.to.closed().await;
        }
    }
}

/// Waits until all have room for so many pieces. Who has left is left out, and who holds up others is cut.
async fn wait_for_room(members: &mut Vec<Member>, room: usize) {
    if let [only] = &members[..] {
        let is_there = only.to.reserve_many(room).await.is_ok();
        members.truncate(usize::from(is_there));
        return;
    }
    let mut held_up = None;
    loop {
        members.retain(|member| !member.to.is_closed());
        let ready = members.iter().filter(|member| member.to.capacity() >= room).count();
        if ready == members.len() {
            return;
        }
        if ready > 0 && held_up.get_or_insert_with(Instant::now).elapsed() >= HOLD_UP {
            let slow = |member: &mut Member| member.to.capacity() < room;
            members.extract_if(.., slow).for_each(|member| member.pulse.end(Cut::Crowded));
            return;
        }
        // Pages are shared where many ask at once; looking is simpler than being told by each of them.
        sleep(LOOK_AROUND).await;
    }
}

impl Making {
    fn begin(site: &Site, wanted: Negotiated, coding: Coding) -> io::Result<Self> {
        let page = site.bridge.exposition_escaped(wanted.format, wanted.escaping, (site.state.clock)());
        Ok(Self { page, encoder: Encoder::new(coding, site.state.pages.spares())?, raw: Vec::new(), raw_bytes: 0, busy: Duration::ZERO })
    }

    /// Makes pieces until somebody has no room, the turn is over, or the page is. Takes as long as that is; not for an async
    /// thread.
    fn go_on(site: &Site, making: Option<Self>, (wanted, coding): (Negotiated, Coding), members: &[Member]) -> io::Result<Turn> {
        let start = Instant::now();
        let mut making = match making {
            Some(making) => making,
            None => Self::begin(site, wanted, coding)?,
        };
        let spares = site.state.pages.spares();
        for _ in 0..TURN {
            // Room for the last piece too.
            if members.iter().any(|member| member.to.capacity() < ROOM && !member.to.is_closed()) {
                break;
            }
            if making.raw.capacity() == 0 {
                making.raw = spares.buffer();
            }
            let is_more = making.page.more(&mut making.raw);
            making.raw_bytes += making.raw.len();
            send_to(members, making.encoder.write(&mut making.raw, spares)?, spares);
            making.raw.clear();
            if !is_more {
                return making.end(site, members, start).map(|()| Turn::Complete);
            }
        }
        making.busy += start.elapsed();
        Ok(Turn::More(Box::new(making)))
    }

    /// The last piece, and the page is counted.
    fn end(self, site: &Site, members: &[Member], start: Instant) -> io::Result<()> {
        let spares = site.state.pages.spares();
        send_to(members, self.encoder.finish(spares)?, spares);
        spares.keep(self.raw);
        let scrape = &site.bridge.telemetry().scrape;
        scrape.pages.increment(members.len() as u64);
        scrape.shared.increment(members.len().saturating_sub(1) as u64);
        scrape.bytes.set(self.raw_bytes as f64);
        scrape.seconds.record((self.busy + start.elapsed()).as_secs_f64());
        Ok(())
    }
}

fn send_to(members: &[Member], piece: Vec<u8>, spares: &Arc<Spares>) {
    if piece.is_empty() {
        return;
    }
    let piece = spares.piece(piece);
    for member in members {
        // There is room, or it has left.
        let _ = member.to.try_send(Piece::Bytes(piece.clone()));
    }
}
