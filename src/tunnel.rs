//! Bytes both ways between two streams, whatever they mean, until both sides have said their end.
//!
//! Run for what has switched protocols (WebSocket and the like) and for the legacy lane. A side's
//! end is passed on and the other direction goes on; while nothing moves, no buffer is held. The
//! limits are how long nothing may move, and how long all of it may last.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::timer::{Ticks, Timer};

/// Bytes that are read at once, onto the stack; what the other side does not take of them is all
/// that is held. With a quarter of it, a byte costs four times the system calls.
const CHUNK: usize = 64 * 1024;

/// Bytes that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// From the first stream to the second.
    pub there: u64,
    /// From the second to the first.
    pub back: u64,
    /// The first byte of these.
    pub answer: Option<u8>,
    /// The second stream ended, or broke, before the first one had ended.
    pub second_ended_first: bool,
}

/// How long a tunnel may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// While nothing moves.
    pub idle: Ticks,
    /// All in all; none: any time.
    pub total: Option<Ticks>,
}

impl From<Ticks> for Waits {
    fn from(idle: Ticks) -> Self {
        Self { idle, total: None }
    }
}

impl Waits {
    /// Until it has to be looked at again, `passed` ticks after the beginning.
    fn next(self, passed: u32) -> Ticks {
        self.total.map_or(self.idle, |total| self.idle.min(total.after(passed)))
    }

    fn are_over(self, passed: u32) -> bool {
        self.total.is_some_and(|total| passed >= total.count())
    }
}

/// Why a tunnel ended before both sides did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    /// One side broke.
    #[error("one side of the tunnel broke")]
    Broken(#[source] io::Error),
    /// Nothing moved for too long.
    #[error("nothing moved through the tunnel for too long")]
    Idle,
    /// It lasted longer than it may.
    #[error("the tunnel lasted too long")]
    Total,
}

/// Passes bytes between `one` and `other`, beginning with those that each had sent ahead, until
/// both have ended or the time is up. `passed` counts along.
///
/// # Errors
/// Where a side breaks, nothing moves, or it lasts too long.
pub(crate) async fn run<A, B>(
    (one, one_ahead): (&mut A, Bytes),
    (other, other_ahead): (&mut B, Bytes),
    (timer, waits): (&Timer, Waits),
    passed: &mut Passed,
) -> Result<(), TunnelError>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Half::new(one_ahead), Half::new(other_ahead));
    let (mut seen, began) = (0, timer.now());
    timer.set(waits.next(0));
    std::future::poll_fn(|cx| {
        let (first, second) = (there.poll(cx, one, other), back.poll(cx, other, one));
        passed.note(&there, &back);
        let first = first.map_err(TunnelError::Broken)?;
        let second = second.map_err(TunnelError::Broken)?;
        if first.is_ready() && second.is_ready() {
            return Poll::Ready(Ok(()));
        }
        while timer.poll(cx).is_ready() {
            let lasted = timer.now().ticks_since(began);
            if waits.are_over(lasted) {
                return Poll::Ready(Err(TunnelError::Total));
            }
            let moved = there.passed.wrapping_add(back.passed);
            if std::mem::replace(&mut seen, moved) == moved {
                return Poll::Ready(Err(TunnelError::Idle));
            }
            timer.set(waits.next(lasted));
        }
        Poll::Pending
    })
    .await
}

impl Passed {
    fn note(&mut self, there: &Half, back: &Half) {
        self.second_ended_first |= back.ended && !there.ended;
        (self.there, self.back, self.answer) = (there.passed, back.passed, back.first);
    }
}

/// One direction.
struct Half {
    /// Read, and not yet taken by the other side.
    held: Bytes,
    unflushed: bool,
    ended: bool,
    done: bool,
    passed: u64,
    /// The first byte that was read.
    first: Option<u8>,
}

impl Half {
    fn new(ahead: Bytes) -> Self {
        Self { held: ahead, unflushed: false, ended: false, done: false, passed: 0, first: None }
    }

    /// Ready once the end of `from` has been passed on.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.done {
            if !self.held.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
                self.took(written)?;
                self.held.advance(written);
                if self.held.is_empty() {
                    // What has been passed on whole would else be kept until more comes.
                    self.held = Bytes::new();
                }
            } else if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.done = true;
            } else if self.poll_read(cx, from, to)?.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, and writes what it read at once as far as it goes.
    fn poll_read<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut space = [const { MaybeUninit::uninit() }; CHUNK];
        let mut buffer = ReadBuf::uninit(&mut space);
        let outcome = ready!(Pin::new(from).poll_read(cx, &mut buffer));
        // One that broke has ended too.
        self.ended |= outcome.is_err();
        outcome?;
        let read = buffer.filled();
        self.first = self.first.or_else(|| read.first().copied());
        if read.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        let written = match Pin::new(to).poll_write(cx, read)? {
            Poll::Ready(written) => {
                self.took(written)?;
                written
            }
            Poll::Pending => 0,
        };
        self.held = Bytes::copy_from_slice(read.get(written..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    fn took(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.passed = self.passed.wrapping_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        task::LocalSet,
    };

    use super::{CHUNK, Passed, TunnelError, Waits, run};
    use crate::timer::{Ticks, Timers};

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn each_end_is_passed_on_and_the_other_direction_goes_on() {
        let timers = Timers::default();
        let (mut left, mut a) = duplex(7);
        let (mut right, mut b) = duplex(7);
        let sent: Vec<u8> = (0..100_000u32).map(|n| n.to_be_bytes()[3]).collect();
        let tunnel = async {
            let mut passed = Passed::default();
            let ahead = (Bytes::from_static(b"first "), Bytes::new());
            let (timer, waits) = (timers.timer(), Ticks::from(IDLE).into());
            let ends = ((&mut a, ahead.0), (&mut b, ahead.1));
            run(ends.0, ends.1, (&timer, waits), &mut passed).await.unwrap();
            passed
        };
        let from_left = async {
            left.write_all(&sent).await.unwrap();
            left.shutdown().await.unwrap();
            let mut back = Vec::new();
            left.read_to_end(&mut back).await.unwrap();
            back
        };
        let at_right = async {
            let mut there = Vec::new();
            right.read_to_end(&mut there).await.unwrap();
            right.write_all(b"after your end").await.unwrap();
            right.shutdown().await.unwrap();
            there
        };
        let (passed, back, there) = tokio::join!(tunnel, from_left, at_right);
        assert_eq!(back, b"after your end");
        assert!(there.starts_with(b"first ") && there[6..] == sent);
        let expected =
            Passed { there: 100_006, back: 14, answer: Some(b'a'), second_ended_first: false };
        assert_eq!(passed, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_read_holds_up_the_other() {
        let timers = Timers::default();
        let (mut left, mut a) = duplex(64);
        let (_right, mut b) = duplex(64);
        let (timer, waits) = (timers.timer(), Ticks::from(IDLE).into());
        let (one, other) = ((&mut a, Bytes::new()), (&mut b, Bytes::new()));
        let mut passed = Passed::default();
        let mut taken = 0;
        let writes = async {
            loop {
                taken += left.write(&[0; 1024]).await.unwrap();
            }
        };
        let both = async { tokio::join!(run(one, other, (&timer, waits), &mut passed), writes) };
        let late = tokio::time::timeout(Duration::from_secs(1), both).await;
        assert!(late.is_err());
        assert!(taken <= CHUNK + 2 * 64, "{taken} bytes were taken and nobody read any");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_moves_all_the_time_ends_when_it_has_lasted_too_long() {
        let timers = Timers::default();
        let set = LocalSet::new();
        set.spawn_local(timers.clone().run());
        set.run_until(async {
            let (mut left, mut a) = duplex(64);
            let (mut right, mut b) = duplex(64);
            let timer = timers.timer();
            let [idle, total] = [1, 3].map(|seconds| Ticks::from(Duration::from_secs(seconds)));
            let began = tokio::time::Instant::now();
            let (one, other) = ((&mut a, Bytes::new()), (&mut b, Bytes::new()));
            let mut passed = Passed::default();
            let waits = Waits { idle, total: Some(total) };
            let moves = async {
                loop {
                    left.write_all(b"x").await.unwrap();
                    right.read_exact(&mut [0]).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            };
            tokio::select! {
                result = run(one, other, (&timer, waits), &mut passed) => {
                    assert!(matches!(result, Err(TunnelError::Total)));
                }
                () = moves => {}
            }
            let took = began.elapsed();
            let expected = Duration::from_secs(3)..Duration::from_millis(3400);
            assert!(expected.contains(&took), "{took:?}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_move_ends_and_what_moves_does_not() {
        let timers = Timers::default();
        let set = LocalSet::new();
        set.spawn_local(timers.clone().run());
        set.run_until(async {
            let (mut left, mut a) = duplex(64);
            let (_right, mut b) = duplex(1024);
            let timer = timers.timer();
            let began = tokio::time::Instant::now();
            let tunnel = async {
                let idle = Ticks::from(Duration::from_secs(1));
                let (one, other) = ((&mut a, Bytes::new()), (&mut b, Bytes::new()));
                run(one, other, (&timer, idle.into()), &mut Passed::default()).await
            };
            let moves = async {
                let mut ticks = tokio::time::interval(Duration::from_millis(700));
                for _ in 0..5 {
                    ticks.tick().await;
                    left.write_all(b"x").await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                result = tunnel => assert!(matches!(result, Err(TunnelError::Idle))),
                () = moves => {}
            }
            let took = began.elapsed();
            assert!(
                took > Duration::from_millis(3800) && took < Duration::from_secs(6),
                "{took:?}"
            );
        })
        .await;
    }
}
