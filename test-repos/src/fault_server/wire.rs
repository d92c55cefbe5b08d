//! Sending an [`Answer`], piece by piece, so that it can be slow, endless or cut, and still ends with the server.

use std::io::{self, Read as _, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Shared;
use super::answer::{Answer, Body, Framing, Tail};

const PIECE: usize = 64 << 10;
/// Chunks of an honest chunked body: small and odd, so that they end nowhere in particular.
const CHUNK: usize = 1021;

/// The way of one answer.
pub(super) struct Wire<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    /// The number of the request in the log.
    request: u64,
    framing: Framing,
    pace: Option<u64>,
    /// Bytes of the body that may still be sent before the connection is cut.
    left: Option<u64>,
}

/// Sends `answer`; `with_body` is false for HEAD. Returns whether the connection is still good.
pub(super) fn send(
    answer: &Answer,
    with_body: bool,
    stream: &TcpStream,
    shared: &Shared,
    request: u64,
) -> io::Result<bool> {
    let mut wire = Wire {
        stream,
        shared,
        request,
        framing: answer.framing,
        pace: answer.body_pace,
        left: answer.cut.map(|cut| cut.after),
    };
    shared.log.status(request, answer.status);
    wire.header(answer)?;
    if !with_body || answer.framing == Framing::NoBody {
        return Ok(answer.keeps_connection());
    }
    let sent = wire.body(answer);
    match answer.cut {
        // Running into the cut is the plan, not a failure.
        Some(cut) if wire.left == Some(0) || sent.is_ok() => {
            if cut.reset {
                rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
            } else {
                stream.shutdown(Shutdown::Write)?;
            }
            Ok(false)
        }
        _ => sent.map(|()| answer.keeps_connection()),
    }
}

impl Wire<'_> {
    fn header(&mut self, answer: &Answer) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        for (name, value) in &answer.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match answer.framing {
            Framing::Length(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
            Framing::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
            Framing::NoBody | Framing::UntilClose => {}
        }
        if !answer.keeps_connection() {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        self.paced(text.as_bytes(), answer.header_pace, |stream, piece| {
            (&mut &*stream).write_all(piece)
        })
    }

    fn body(&mut self, answer: &Answer) -> io::Result<()> {
        match &answer.body {
            Body::Empty => {}
            Body::Text(text) => self.write_all(text.as_bytes())?,
            Body::Part(part) => {
                let mut reader = part.file.reader(part.start, part.length)?;
                let mut buffer = vec![0; PIECE];
                let mut offset = part.start;
                loop {
                    let count = reader.read(&mut buffer)?;
                    if count == 0 {
                        break;
                    }
                    let piece = &mut buffer[..count];
                    let flipped = part.flip.and_then(|flip| flip.checked_sub(offset));
                    if let Some(byte) = flipped.and_then(|at| piece.get_mut(at as usize)) {
                        *byte ^= 1;
                    }
                    offset += count as u64;
                    self.write_all(piece)?;
                }
            }
            Body::GzipBomb(decoded_len) => {
                let mut bomb = GzEncoder::new(&mut *self, Compression::best());
                io::copy(&mut io::repeat(0).take(*decoded_len), &mut bomb)?;
                bomb.finish()?;
            }
        }
        let zeros = match answer.tail {
            Tail::Nothing => 0,
            Tail::Zeros(count) => count,
            Tail::Endless => u64::MAX,
            Tail::Silence => {
                // Until the client goes or the server ends.
                self.stream.set_read_timeout(None)?;
                let mut rest = self.stream;
                io::copy(&mut rest, &mut io::sink())?;
                0
            }
        };
        io::copy(&mut io::repeat(0).take(zeros), self)?;
        if self.framing == Framing::Chunked {
            self.raw(b"0\r\n\r\n")?;
        }
        Ok(())
    }

    /// Sends body bytes that the cut lets through, framed.
    fn framed(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.framing != Framing::Chunked {
            return self.raw(bytes);
        }
        for chunk in bytes.chunks(CHUNK) {
            let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
            self.raw(&framed)?;
        }
        Ok(())
    }

    fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let (log, request) = (&self.shared.log, self.request);
        self.paced(bytes, self.pace, |mut stream, mut piece| {
            log.sent(request, piece.len() as u64);
            while !piece.is_empty() {
                match stream.write(piece) {
                    Ok(count) => piece = &piece[count..],
                    Err(error) => {
                        log.not_sent(request, piece.len() as u64);
                        return Err(error);
                    }
                }
            }
            Ok(())
        })
    }

    /// Writes in pieces, twenty a second where there is a pace.
    fn paced(
        &self,
        bytes: &[u8],
        pace: Option<u64>,
        mut write: impl FnMut(&TcpStream, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(pace) = pace.map(|pace| pace.max(1)) else {
            self.shared.check_running()?;
            return write(self.stream, bytes);
        };
        let piece = usize::try_from(pace.div_ceil(20)).unwrap_or(usize::MAX);
        for piece in bytes.chunks(piece) {
            write(self.stream, piece)?;
            let seconds = piece.len() as f64 / pace as f64;
            self.shared.pause(Duration::from_secs_f64(seconds))?;
        }
        Ok(())
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = &mut self.left else {
            self.framed(bytes)?;
            return Ok(bytes.len());
        };
        let allowed = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
        *left -= allowed as u64;
        self.framed(&bytes[..allowed])?;
        if allowed < bytes.len() {
            return Err(io::Error::other("the cut is reached"));
        }
        Ok(allowed)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
