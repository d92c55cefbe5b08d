//! Runs a program: without a terminal, in the C locale, for a time, with bounded output.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::SystemdError;

/// Bytes of output that are kept; the rest is read and dropped.
const MAX_OUTPUT: u64 = 1 << 20;
/// Characters of stderr that stand in a message.
const MAX_MESSAGE: usize = 2000;
/// Where programs are: whoever calls this program does not decide which ones run.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `program` and answers with its stdout.
pub(super) fn run<A: AsRef<OsStr>>(
    program: &'static str,
    arguments: &[A],
    limit: Duration,
) -> Result<Vec<u8>, SystemdError> {
    let command = shown(program, arguments);
    let failed = |source: io::Error| SystemdError::Run {
        command: command.clone(),
        source,
    };
    let spawned = Command::new(program)
        .args(arguments)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .env("SYSTEMD_PAGER", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SystemdError::NotInstalled(program));
        }
        Err(error) => return Err(failed(error)),
    };
    let stdout = child.stdout.take().map(reader);
    let stderr = child.stderr.take().map(reader);
    let status = wait(&mut child, limit).map_err(failed)?;
    let Some(status) = status else {
        return Err(SystemdError::Timeout { command, limit });
    };
    let (stdout, stderr) = (output(stdout), output(stderr));
    if status.success() {
        return Ok(stdout);
    }
    let stderr: String = String::from_utf8_lossy(&stderr)
        .trim()
        .chars()
        .take(MAX_MESSAGE)
        .collect();
    Err(SystemdError::Failed {
        command,
        status: ended(status),
        stderr,
    })
}

/// Waits until the child has ended, or ends it: `None`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Half an output is as good as none to whoever parses it, so errors need no way of their own.
        let _ = pipe.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
        let _ = io::copy(&mut pipe, &mut io::sink());
        bytes
    })
}

fn output(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default()
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// A command line as a person would type it.
fn shown<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> String {
    let arguments = arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy());
    let mut line = program.to_owned();
    for argument in arguments {
        line.push(' ');
        line.push_str(&argument);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, limit: Duration) -> Result<Vec<u8>, SystemdError> {
        run("sh", &["-c", script], limit)
    }

    #[test]
    fn output_comes_back_and_the_locale_is_plain() {
        assert_eq!(shell("printf '%s' \"$LC_ALL\"", LONG).unwrap(), b"C");
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = shell("echo no room >&2; exit 3", LONG)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("failed (exit code 3): no room"), "{error}");
        let error = run("no-such-program-here", &[""; 0], LONG).unwrap_err();
        assert_eq!(error.to_string(), "no-such-program-here is not installed");
    }

    #[test]
    fn what_hangs_is_ended_with_all_that_it_started() {
        let start = Instant::now();
        let error = shell("sleep 1000 & sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, SystemdError::Timeout { .. }), "{error}");
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn endless_output_is_bounded() {
        let bytes = shell("head -c 3000000 /dev/zero", LONG).unwrap();
        assert_eq!(u64::try_from(bytes.len()).unwrap(), MAX_OUTPUT);
    }
}
