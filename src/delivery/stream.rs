//! The connected, secured byte stream under an SMTP session. Everything up to the first protected byte happens
//! here; the session above never sees an unprotected answer where TLS was asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::SendError;
use crate::settings::Tls;

/// One address of several may swallow packets; the others get their turn.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LARGEST_REPLY: usize = 16 * 1024;

/// Where the server is and how it is spoken to.
pub(super) struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub config: Arc<ClientConfig>,
    /// How we introduce ourselves in EHLO.
    pub hello: String,
}

/// Plain or TLS, with a greeting to come first.
#[derive(Debug)]
pub(super) struct Stream {
    inner: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    peer: SocketAddr,
    /// After STARTTLS the server does not greet again (RFC 3207 section 4.2), but lettre waits for a greeting.
    owed: &'static [u8],
}

/// Whether mail may pass unprotected: only within this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Stream {
    /// Connects and secures as the endpoint demands; never falls back to less.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, SendError> {
        let mut tcp = connect(&endpoint.host, endpoint.port).await?;
        // lettre writes a mail and its final dot apart: with Nagle's algorithm each mail waits 40 ms for an ACK.
        tcp.set_nodelay(true).map_err(unreachable)?;
        let peer = tcp.peer_addr().map_err(unreachable)?;
        let (inner, owed): (_, &'static [u8]) = match endpoint.tls {
            Tls::None => (Either::Left(tcp), b""),
            Tls::Implicit => (Either::Right(Box::new(handshake(tcp, endpoint).await?)), b""),
            Tls::Starttls => {
                starttls(&mut tcp, &endpoint.hello).await?;
                (Either::Right(Box::new(handshake(tcp, endpoint).await?)), b"220 secured\r\n")
            }
        };
        Ok(Self { inner, peer, owed })
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, SendError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| SendError::Unreachable("its name cannot be resolved; check smtp.host".into()))?;
    let mut last = SendError::Unreachable("its name has no address; check smtp.host".into());
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = unreachable(error),
            Err(_) => {
                last = SendError::Unreachable("it does not answer; check smtp.host and smtp.port".into())
            }
        }
    }
    Err(last)
}

async fn handshake(tcp: TcpStream, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, SendError> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| {
        SendError::Misconfigured("smtp.host is no host name that a certificate could bear".into())
    })?;
    TlsConnector::from(Arc::clone(&endpoint.config)).connect(name, tcp).await.map_err(|error| {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_)) => SendError::Misconfigured(
                "the mail server's certificate is not trusted for smtp.host; name its authority in smtp.ca_file"
                    .into(),
            ),
            Some(rustls::Error::InvalidMessage(_)) => SendError::Misconfigured(
                "the mail server does not speak TLS at once on smtp.port; try smtp.tls = \"starttls\"".into(),
            ),
            Some(_) => SendError::Misconfigured(
                "the mail server and Caseward find no common TLS; it must offer TLS 1.2 or 1.3".into(),
            ),
            None => unreachable(error),
        }
    })
}

/// The unprotected preamble: greeting, EHLO, STARTTLS. Bytes that come before their time are an injection by
/// somebody on the way (CVE-2011-0411 and kin) and end the connection.
async fn starttls(tcp: &mut TcpStream, hello: &str) -> Result<(), SendError> {
    expect(read_reply(tcp).await?.as_str(), "220")?;
    tcp.write_all(format!("EHLO {hello}\r\n").as_bytes()).await.map_err(unreachable)?;
    let features = read_reply(tcp).await?;
    expect(&features, "250")?;
    let offered = features
        .lines()
        .filter_map(|line| line.get(4..))
        .any(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offered {
        return Err(SendError::Misconfigured(
            "the mail server does not offer STARTTLS on smtp.port; try smtp.tls = \"implicit\" with port 465"
                .into(),
        ));
    }
    tcp.write_all(b"STARTTLS\r\n").await.map_err(unreachable)?;
    expect(read_reply(tcp).await?.as_str(), "220")
}

fn expect(reply: &str, code: &str) -> Result<(), SendError> {
    if reply.starts_with(code) {
        return Ok(());
    }
    let got: String = reply.chars().take(3).filter(char::is_ascii_digit).collect();
    Err(SendError::Unreachable(format!("it answered {got} before TLS began")))
}

/// One whole reply and nothing after it.
async fn read_reply(tcp: &mut TcpStream) -> Result<String, SendError> {
    let mut reply = Vec::new();
    loop {
        if tcp.read_buf(&mut reply).await.map_err(unreachable)? == 0 {
            return Err(SendError::Unreachable("it closed the connection".into()));
        }
        let lines: Vec<&[u8]> = reply.split_inclusive(|byte| *byte == b'\n').collect();
        let is_last = |line: &[u8]| line.ends_with(b"\n") && line.get(3) != Some(&b'-');
        match lines.iter().position(|line| is_last(line)) {
            Some(last) if last + 1 == lines.len() => return Ok(String::from_utf8_lossy(&reply).into_owned()),
            Some(_) => return Err(SendError::Unreachable("it spoke out of turn before TLS began".into())),
            None if reply.len() > LARGEST_REPLY => {
                return Err(SendError::Unreachable("its answer does not end".into()));
            }
            None => {}
        }
    }
}

/// The kind alone: the text of an I/O error may quote a name.
fn unreachable(error: io::Error) -> SendError {
    SendError::Unreachable(error.kind().to_string())
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.owed.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let (now, later) = self.owed.split_at(self.owed.len().min(buf.remaining()));
        buf.put_slice(now);
        self.owed = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
