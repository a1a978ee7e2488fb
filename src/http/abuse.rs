//! How many frames that do no work a client may send over HTTP/2, by kind.
//!
//! Each kind has a budget that refills with time and with real work (requests, bytes of answers):
//! SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM and frames that we ignore cost the sender
//! nothing and us a little each (CVE-2019-9511 and after, CVE-2023-44487). Pure: fed by `gauge`;
//! reads no clock. What h2 bounds by itself is only named here.

use super::frames::{Frame, Frames};
use crate::{metrics::Abuse, timer::Moment};

/// A frame's price; budgets are kept in such parts, so that work can earn less than a frame.
const FRAME: u32 = 64;

/// One kind's budget.
#[derive(Clone, Copy, Debug)]
struct Budget {
    abuse: Abuse,
    left: u32,
    most: u32,
    per_tick: u32,
}

impl Budget {
    /// So many frames at once, and so many a second.
    const fn new(abuse: Abuse, burst: u32, per_second: u32) -> Self {
        let most = burst * FRAME;
        Self { abuse, left: most, most, per_tick: per_second * FRAME / 10 }
    }

    fn earn(&mut self, parts: u32) {
        self.left = self.left.saturating_add(parts).min(self.most);
    }

    fn spend(&mut self) -> Result<(), Abuse> {
        self.left = self.left.checked_sub(FRAME).ok_or(self.abuse)?;
        Ok(())
    }
}

/// What one connection sends.
#[derive(Debug)]
pub(super) struct Meter {
    frames: Frames,
    refilled: Moment,
    highest: u32,
    settings: Budget,
    ping: Budget,
    priority: Budget,
    window_update: Budget,
    empty_data: Budget,
    reset: Budget,
    unknown: Budget,
    found: Option<Abuse>,
    last_word: [u8; WORD],
}

/// h2 says what it ends a connection for at the end of its GOAWAY, and does not keep it.
const WORD: usize = 25;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;

impl Meter {
    /// A connection that has sent nothing.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            frames: Frames::default(),
            refilled: now,
            highest: 0,
            settings: Budget::new(Abuse::Settings, 50, 10),
            ping: Budget::new(Abuse::Ping, 500, 50),
            priority: Budget::new(Abuse::Priority, 500, 100),
            // Some clients answer each small piece of a stream with two of them.
            window_update: Budget::new(Abuse::WindowUpdate, 5000, 500),
            empty_data: Budget::new(Abuse::EmptyData, 100, 10),
            reset: Budget::new(Abuse::RapidReset, 200, 20),
            unknown: Budget::new(Abuse::UnknownFrame, 500, 100),
            found: None,
            last_word: [0; WORD],
        }
    }

    /// Looks at what was read; the first kind that is over its budget is the connection's end.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: Moment) -> Result<(), Abuse> {
        self.refill(now);
        let mut judged = Ok(());
        while let Some(frame) = self.frames.next(&mut bytes) {
            if let Err(abuse) = self.frame(frame) {
                judged = Err(*self.found.get_or_insert(abuse));
            }
        }
        judged
    }

    /// Bytes of answers earn the frames that acknowledge them. `last` is what they end with.
    pub(super) fn wrote(&mut self, bytes: usize, last: &[u8]) {
        if let Some(end) = last.last_chunk() {
            self.last_word = *end;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.window_update.earn(bytes);
        self.ping.earn(bytes / 16);
    }

    /// What it ended by, if it did.
    pub(super) fn found(&self) -> Option<Abuse> {
        self.found
    }

    /// The end of what was written last.
    pub(super) fn last_word(&self) -> [u8; WORD] {
        self.last_word
    }

    /// The last stream that the client opened.
    pub(super) fn highest(&self) -> u32 {
        self.highest
    }

    fn refill(&mut self, now: Moment) {
        let ticks = now.ticks_since(self.refilled);
        if ticks == 0 {
            return;
        }
        self.refilled = now;
        for budget in [
            &mut self.settings,
            &mut self.ping,
            &mut self.priority,
            &mut self.window_update,
            &mut self.empty_data,
            &mut self.reset,
            &mut self.unknown,
        ] {
            budget.earn(budget.per_tick.saturating_mul(ticks));
        }
    }

    fn frame(&mut self, frame: Frame) -> Result<(), Abuse> {
        let Frame { length, kind, flags, stream } = frame;
        match kind {
            // Nothing but padding is h2's to see.
            DATA if length == 0 && flags & END_STREAM == 0 => self.empty_data.spend(),
            DATA | PUSH_PROMISE | GOAWAY | CONTINUATION => Ok(()),
            HEADERS => {
                self.request(stream);
                Ok(())
            }
            PRIORITY => self.priority.spend(),
            RST_STREAM => self.reset.spend(),
            // One of these for each of ours.
            SETTINGS if flags & ACK != 0 => Ok(()),
            SETTINGS => self.settings.spend(),
            PING => self.ping.spend(),
            WINDOW_UPDATE => self.window_update.spend(),
            _ => self.unknown.spend(),
        }
    }

    /// A new stream earns what goes with it: half a reset, a priority, its windows.
    fn request(&mut self, stream: u32) {
        if stream > self.highest {
            self.highest = stream;
            self.reset.earn(FRAME / 2);
            self.priority.earn(2 * FRAME);
            self.window_update.earn(2 * FRAME);
            self.unknown.earn(2 * FRAME);
        }
    }
}

/// What h2 ended a connection for by itself, if it was that kind of end.
pub(super) fn found_by_h2(error: &hyper::Error, said: [u8; WORD]) -> Option<Abuse> {
    let cause = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    if !cause.is_library() || !cause.is_go_away() {
        return None;
    }
    match cause.reason()? {
        h2::Reason::COMPRESSION_ERROR => Some(Abuse::HeaderBomb),
        h2::Reason::ENHANCE_YOUR_CALM => {
            let words = [
                ("too_many_internal_resets", Abuse::MadeYouReset),
                ("too_many_resets", Abuse::RapidReset),
                ("too_many_continuations", Abuse::Continuation),
                ("too_many_data_frames", Abuse::SmallData),
                ("header_list_way_too_large", Abuse::HeaderBomb),
            ];
            let found = words.into_iter().find(|(word, _)| said.ends_with(word.as_bytes()));
            Some(found.map_or(Abuse::Other, |(_, abuse)| abuse))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{FRAME, Meter};
    use crate::{metrics::Abuse, timer::Moment};

    fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        let head = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        [head, vec![0; usize::from(length)]].concat()
    }

    fn meter() -> Meter {
        let mut meter = Meter::new(Moment::at(0));
        meter.read(&[0; 24], Moment::at(0)).unwrap();
        meter
    }

    /// How many of them pass at once, and how many more a second later.
    fn passes(bytes: &[u8]) -> (usize, usize) {
        let mut meter = meter();
        let mut count = |tick| {
            let passed = |_: &usize| meter.read(bytes, Moment::at(tick)).is_ok();
            (0..100_000).take_while(passed).count()
        };
        (count(0), count(10))
    }

    #[test]
    fn each_kind_has_its_budget_and_it_refills() {
        assert_eq!(passes(&frame(4, 0, 0, 0)), (50, 10));
        assert_eq!(passes(&frame(6, 0, 0, 8)), (500, 50));
        assert_eq!(passes(&frame(2, 0, 1, 5)), (500, 100));
        assert_eq!(passes(&frame(8, 0, 0, 4)), (5000, 500));
        assert_eq!(passes(&frame(0, 0, 1, 0)), (100, 10));
        assert_eq!(passes(&frame(3, 0, 1, 4)), (200, 20));
        assert_eq!(passes(&frame(16, 0, 0, 4)), (500, 100));
        for harmless in [frame(4, 1, 0, 0), frame(0, 1, 1, 0), frame(0, 0, 1, 9)] {
            assert_eq!(passes(&harmless), (100_000, 100_000), "{harmless:?}");
        }
    }

    #[test]
    fn a_request_that_is_reset_each_time_runs_out_and_one_in_three_does_not() {
        let cancel = |each: u32| {
            let mut meter = meter();
            (0..10_000u32).find(|number| {
                let stream = (2 * number + 1).to_be_bytes();
                let head = |length: u8, kind: u8| [&[0, 0, length, kind, 5][..], &stream].concat();
                let mut bytes = head(0, 1);
                if number % each == 0 {
                    bytes.extend(head(4, 3));
                    bytes.extend([0; 4]);
                }
                meter.read(&bytes, Moment::at(0)) == Err(Abuse::RapidReset)
            })
        };
        assert_eq!(cancel(1), Some(399));
        assert_eq!(cancel(3), None);
    }

    #[test]
    fn a_download_earns_its_window_updates_and_tiny_windows_do_not() {
        let run = |bytes| {
            let mut meter = meter();
            (0..50_000).find(|_| {
                meter.wrote(bytes, &[]);
                meter.read(&frame(8, 0, 1, 4), Moment::at(0)).is_err()
            })
        };
        assert_eq!(run(usize::try_from(FRAME).unwrap()), None);
        assert!(run(10).is_some_and(|turn| turn < 6000));
    }
}
