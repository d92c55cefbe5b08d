//! Keys that a program holds (a KMS, an HSM, an agent): the message on its stdin, the raw signature on its stdout.
//!
//! - The program gets a fixed time; then it is killed. What it says on stderr goes to ours.
//! - It is started without a shell: the text is split at spaces.
//! - What comes back is verified before it is used, in [`sysext_formats::sign`].

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sysext_formats::key::PublicKey;
use sysext_formats::sign::Signer;

use super::passphrase::VARIABLE as PASSPHRASE_VARIABLE;

/// For one signature: long enough to touch a token, short enough for a job that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// An ed25519 signature has 64 bytes, one of OpenPGP some hundred.
const MAX_ANSWER: u64 = 4096;

/// A key behind a program.
#[derive(Debug)]
pub(super) struct CommandSigner {
    pub(super) command: String,
    pub(super) public: PublicKey,
}

impl Signer for CommandSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = run(&self.command, message, PATIENCE)?;
        match signature.len() {
            64 => Ok(signature),
            length => Err(format!(
                "{} returned {length} bytes; a raw ed25519 signature has 64",
                self.command
            )),
        }
    }
}

/// What a program makes of a message, in at most 4096 bytes.
///
/// # Errors
/// In words, when it does not start, end well, or in time.
pub(crate) fn answer(command: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    run(command, message, PATIENCE)
}

/// A program that we start has no use for our passphrases and keys.
pub(crate) fn without_secrets(command: &mut Command) {
    for (name, value) in std::env::vars_os() {
        let is_key = value.to_string_lossy().contains("PRIVATE KEY-----");
        if is_key || name == PASSPHRASE_VARIABLE {
            command.env_remove(name);
        }
    }
}

fn run(command: &str, message: &[u8], patience: Duration) -> Result<Vec<u8>, String> {
    let mut words = command.split_ascii_whitespace();
    let program = words.next().ok_or("no program is named")?;
    let mut command = Command::new(program);
    without_secrets(&mut command);
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} can not be started: {error}"))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(format!("{program} has no pipes"));
    };
    let message = message.to_vec();
    // A program that does not read must not hang the writer; its exit status says what went wrong.
    std::thread::spawn(move || stdin.write_all(&message));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(MAX_ANSWER + 1).read_to_end(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    let start = Instant::now();
    let answer = receiver.recv_timeout(patience);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if answer.is_ok() && start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5))
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "{program} did not end within {} seconds",
                    patience.as_secs()
                ));
            }
        }
    };
    if !status.success() {
        return Err(format!("{program} ended with {status}"));
    }
    match answer {
        Ok(Ok(answer)) if answer.len() as u64 <= MAX_ANSWER => Ok(answer),
        Ok(Ok(_)) => Err(format!("{program} returned more than {MAX_ANSWER} bytes")),
        _ => Err(format!("what {program} returned can not be read")),
    }
}

#[cfg(test)]
mod tests {
    use sysext_formats::sign::SecretKey;

    use super::*;

    #[test]
    fn a_program_that_fails_hangs_or_babbles_is_told_apart() {
        let message = b"message";
        let error = |command: &str, patience| {
            run(command, message, Duration::from_millis(patience)).unwrap_err()
        };
        assert!(error("false", 60_000).contains("exit status: 1"));
        assert!(error("/nonexistent/signer", 60_000).contains("can not be started"));
        assert!(error("sleep 60", 100).contains("did not end"));
        assert!(error("yes", 60_000).contains("yes"));
        let public = SecretKey::from_seed(&[7; 32]).public_key().clone();
        let command = "echo garbage".to_owned();
        let signer = CommandSigner { command, public };
        assert!(signer.sign(message).unwrap_err().contains("8 bytes"));
    }
}
