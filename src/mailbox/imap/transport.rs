//! The byte stream under an IMAP session: buffered writes, a time limit on progress (not on the whole: a large
//! mail may be slow but must move), and a bound on the size of one response, because the parser above allocates
//! whatever literal a server announces.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::time::Sleep;

/// The largest response taken, bytes. Bodies are asked for in pieces of 1 MiB; the longest honest response is the
/// answer to a search over a million mails.
pub const MAX_RESPONSE: u64 = 8 * 1024 * 1024;

/// A bidirectional byte stream: TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug> Stream for T {}

/// See the module's text.
pub struct Transport {
    io: BufWriter<Box<dyn Stream>>,
    reading: Patience,
    writing: Patience,
    bound: ResponseBound,
}

impl Transport {
    /// Wraps `io`; a read or write that makes no progress for `patience` fails with `TimedOut`.
    pub fn new(io: Box<dyn Stream>, patience: Duration) -> Self {
        Self {
            io: BufWriter::new(io),
            reading: Patience::new(Some(patience)),
            writing: Patience::new(Some(patience)),
            bound: ResponseBound::default(),
        }
    }

    /// The bare stream. What was received but not yet parsed stays behind: in STARTTLS that is what an attacker
    /// injected before the handshake.
    pub fn into_inner(self) -> Box<dyn Stream> {
        self.io.into_inner()
    }

    /// Changes how long a read may take; `None` for as long as it likes (IDLE).
    pub fn set_read_patience(&mut self, patience: Option<Duration>) {
        self.reading = Patience::new(patience);
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.writing.watch(cx, polled)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        let polled = this.reading.watch(cx, polled);
        if let Poll::Ready(Ok(())) = polled {
            this.bound.inspect(buf.filled().get(before..).unwrap_or_default())?;
        }
        polled
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.written(cx, polled)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        this.written(cx, polled)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_shutdown(cx);
        this.written(cx, polled)
    }
}

/// A timer that runs while an operation is pending and starts anew with the next one.
struct Patience {
    limit: Option<Duration>,
    running: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, running: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.running = None;
            return polled;
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let sleep = self.running.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Follows the response lines and their literals (`{n}` at a line's end, then n octets) far enough to know how
/// large the current response is.
#[derive(Default)]
struct ResponseBound {
    /// Octets of the current response so far, announced literals included.
    size: u64,
    literal_left: u64,
    /// What the end of the line looks like: the number after the last `{`, and whether `}` closed it.
    number: Option<u64>,
    closed: bool,
}

impl ResponseBound {
    fn inspect(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let skipped = self.literal_left.min(bytes.len() as u64);
            self.literal_left -= skipped;
            bytes = bytes.get(usize::try_from(skipped).unwrap_or(usize::MAX)..).unwrap_or_default();
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.size += 1;
            self.follow(byte);
            if self.size > MAX_RESPONSE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "response too large"));
            }
        }
    }

    fn follow(&mut self, byte: u8) {
        match (byte, self.number) {
            (b'\n', Some(octets)) if self.closed => {
                self.literal_left = octets;
                self.size = self.size.saturating_add(octets);
                (self.number, self.closed) = (None, false);
            }
            (b'\n', _) => (self.size, self.number, self.closed) = (0, None, false),
            (b'\r', Some(_)) if self.closed => {}
            (b'{', _) => (self.number, self.closed) = (Some(0), false),
            (b'0'..=b'9', Some(number)) if !self.closed => {
                self.number = Some(number.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
            }
            (b'}', Some(_)) if !self.closed => self.closed = true,
            _ => (self.number, self.closed) = (None, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_bounded() {
        let mut long_line = b"* SEARCH".to_vec();
        long_line.resize(9 * 1024 * 1024, b'1');
        let many_lines = b"* 1 EXISTS\r\n".repeat(1_000_000);
        for (bytes, fine) in [
            (b"* 1 FETCH (BODY[] {400000000}\r\nabc".to_vec(), false),
            (b"* 1 FETCH (BODY[] {99999999999999999999999}\r\nabc".to_vec(), false),
            (b"* 1 FETCH (BODY[] {1048576}\r\nabc".to_vec(), true),
            (b"* OK {400000000} is no literal\r\n".to_vec(), true),
            (b"* 1 FETCH (BODY[] {16}\r\n{400000000}\r\nab)\r\nA1 OK\r\n".to_vec(), true),
            (long_line, false),
            (many_lines, true),
        ] {
            for piece in [1, 7, 4096] {
                let mut bound = ResponseBound::default();
                let result = bytes.chunks(piece).try_for_each(|chunk| bound.inspect(chunk));
                assert_eq!(
                    result.is_ok(),
                    fine,
                    "{:?}",
                    String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_times_out() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (near, mut far) = tokio::io::duplex(64);
        let mut transport = Transport::new(Box::new(near), Duration::from_secs(60));
        far.write_all(b"abc").await.unwrap();
        let mut buf = [0; 3];
        transport.read_exact(&mut buf).await.unwrap();
        let error = transport.read_exact(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        transport.write_all(&[0; 1000]).await.unwrap();
        assert_eq!(transport.flush().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
