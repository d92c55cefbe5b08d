//! A Varlink client for one call: a JSON object and a NUL byte each way.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of an answer.
const MAX_ANSWER: usize = 1 << 20;
const REFRESH: &str = "io.systemd.sysext.Refresh";
const INVALID_PARAMETER: &str = "org.varlink.service.InvalidParameter";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum VarlinkError {
    /// The connection failed.
    #[error("{}: {source}", socket.display())]
    Connection {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{}: no answer within {} seconds", socket.display(), limit.as_secs())]
    Timeout {
        /// The socket.
        socket: PathBuf,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Something else than an answer.
    #[error("{} answered what is not understood: {reason}", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The method said no.
    #[error("{method} failed: {error} {parameters}")]
    Failed {
        /// The method.
        method: &'static str,
        /// Varlink's name of the error.
        error: String,
        /// What it says besides.
        parameters: Value,
    },
}

impl VarlinkError {
    /// Whether there is a socket, and no service behind it.
    pub(super) fn nobody_listens(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match self {
            Self::Connection { source, .. } => {
                matches!(source.kind(), ConnectionRefused | NotFound)
            }
            _ => false,
        }
    }
}

/// Merges what is linked now.
pub(super) fn refresh(socket: &Path, limit: Duration) -> Result<(), VarlinkError> {
    // Newer ones do nothing when they see no change, unless told otherwise; older ones do not know the word.
    let forced = json!({"class": "sysext", "alwaysRefresh": true});
    match call(socket, REFRESH, &forced, limit) {
        Err(VarlinkError::Failed { error, .. }) if error == INVALID_PARAMETER => {
            call(socket, REFRESH, &json!({"class": "sysext"}), limit).map(drop)
        }
        result => result.map(drop),
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    #[serde(default)]
    parameters: Value,
}

fn call(
    socket: &Path,
    method: &'static str,
    parameters: &Value,
    limit: Duration,
) -> Result<Value, VarlinkError> {
    let deadline = Instant::now() + limit;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => VarlinkError::Timeout {
            socket: socket.to_owned(),
            limit,
        },
        _ => VarlinkError::Connection {
            socket: socket.to_owned(),
            source,
        },
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let mut request = json!({"method": method, "parameters": parameters})
        .to_string()
        .into_bytes();
    request.push(0);
    stream.set_write_timeout(Some(limit)).map_err(failed)?;
    stream.write_all(&request).map_err(failed)?;
    let answer = read_answer(&mut stream, deadline).map_err(failed)?;
    let answer: Answer = serde_json::from_slice(&answer).map_err(|error| VarlinkError::Answer {
        socket: socket.to_owned(),
        reason: error.to_string(),
    })?;
    match answer.error {
        None => Ok(answer.parameters),
        Some(error) => Err(VarlinkError::Failed {
            method,
            error,
            parameters: answer.parameters,
        }),
    }
}

/// Reads up to the first NUL byte.
fn read_answer(stream: &mut UnixStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            answer.extend_from_slice(bytes.get(..end).unwrap_or_default());
            return Ok(answer);
        }
        answer.extend_from_slice(bytes);
        if answer.len() > MAX_ANSWER {
            return Err(io::Error::other(format!(
                "the answer is longer than {MAX_ANSWER} bytes"
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Answers each connection with the next text, and gives back what was asked.
    fn service(answers: Vec<Vec<u8>>, limit: Duration) -> (Result<(), VarlinkError>, Vec<Value>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = io::BufReader::new(&stream);
                let mut request = Vec::new();
                reader.read_until(0, &mut request).unwrap();
                request.pop();
                asked.push(serde_json::from_slice(&request).unwrap());
                // The client may have gone away; that is what some tests are about.
                let _ = (&stream).write_all(&answer);
                if answer.is_empty() {
                    let _ = reader.read_until(0, &mut request);
                }
            }
            asked
        });
        let result = refresh(&path, limit);
        (result, server.join().unwrap())
    }

    #[test]
    fn a_refresh_is_forced_where_that_is_known() {
        let (result, asked) = service(vec![b"{\"parameters\":{}}\0".to_vec()], LONG);
        result.unwrap();
        assert_eq!(
            asked,
            [json!({"method": REFRESH, "parameters": {"class": "sysext", "alwaysRefresh": true}})]
        );
        let unknown = format!(
            "{{\"error\":\"{INVALID_PARAMETER}\",\"parameters\":{{\"parameter\":\"alwaysRefresh\"}}}}\0"
        );
        let (result, asked) = service(vec![unknown.into_bytes(), b"{}\0".to_vec()], LONG);
        result.unwrap();
        assert_eq!(asked[1]["parameters"], json!({"class": "sysext"}));
    }

    #[test]
    fn a_socket_without_a_service_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        assert!(refresh(&path, LONG).unwrap_err().nobody_listens());
        drop(UnixListener::bind(&path).unwrap());
        assert!(refresh(&path, LONG).unwrap_err().nobody_listens());
        let error = service(vec![b"{".to_vec()], LONG).0.unwrap_err();
        assert!(!error.nobody_listens(), "{error}");
    }

    #[test]
    fn errors_say_what_the_service_said() {
        let answer = b"{\"error\":\"io.systemd.sysext.AlreadyMerged\",\"parameters\":{\"hierarchy\":\"/usr\"}}\0";
        let error = service(vec![answer.to_vec()], LONG)
            .0
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("AlreadyMerged") && error.contains("/usr"),
            "{error}"
        );
    }

    #[test]
    fn garbage_silence_and_endless_answers_end() {
        for garbage in [&b"no json\0"[..], b"[]\0", b"{\"error\":5}\0"] {
            let error = service(vec![garbage.to_vec()], LONG).0.unwrap_err();
            assert!(matches!(error, VarlinkError::Answer { .. }), "{error}");
        }
        let error = service(vec![b"{".to_vec()], LONG).0.unwrap_err();
        assert!(matches!(error, VarlinkError::Connection { .. }), "{error}");
        let error = service(vec![vec![b' '; MAX_ANSWER + 8192]], LONG)
            .0
            .unwrap_err()
            .to_string();
        assert!(error.contains("longer"), "{error}");
        let error = service(vec![Vec::new()], Duration::from_millis(50))
            .0
            .unwrap_err();
        assert!(matches!(error, VarlinkError::Timeout { .. }), "{error}");
    }
}
