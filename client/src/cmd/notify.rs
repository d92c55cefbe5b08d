//! `notify`: systemd-sysupdate (260 and later) says that it has updated the OS; the store gets what that one will need.
//!
//! A Varlink service for one connection, on standard input and output as a socket unit gives them. It answers first and
//! works then: an update of the OS waits for nobody's downloads.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::prepare::prepare_next;
use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;

const COMPLETED: &str = "io.systemd.SysUpdate.Notify.OnCompletedUpdate";
const NOT_FOUND: &str = "org.varlink.service.MethodNotFound";
/// Bytes of a call.
const MAX_CALL: u64 = 1 << 20;

/// `notify`
#[derive(Debug, Args)]
pub struct Notify {}

#[derive(Deserialize)]
struct Call {
    method: String,
    #[serde(default)]
    oneway: bool,
}

impl Notify {
    /// Answers one call, and prepares the root that boots next.
    ///
    /// # Errors
    /// When what comes is no call, or the root can not be served.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let called = answer(&mut io::stdin().lock(), &mut io::stdout().lock())
            .map_err(|error| Failure::of(Kind::Usage, &error))?;
        if called {
            // Standard output is the connection, so nothing is printed there: problems go to the journal.
            let prepared = prepare_next(global, ui)?;
            Ok(prepared.map_or(ExitCode::SUCCESS, |prepared| prepared.code()))
        } else {
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Answers one call; whether it said that an update was completed.
fn answer(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    let mut from = from.take(MAX_CALL);
    // The caller keeps the connection open: its end is no end of the call.
    while from.read(&mut byte)? == 1 && byte != [0] {
        bytes.extend(byte);
    }
    if bytes.is_empty() {
        return Ok(false);
    }
    let call: Call = serde_json::from_slice(&bytes)?;
    let is_completed = call.method == COMPLETED;
    let reply = if is_completed {
        json!({"parameters": {}})
    } else {
        json!({"error": NOT_FOUND, "parameters": {"method": call.method}})
    };
    if !call.oneway {
        send(to, &reply)?;
    }
    Ok(is_completed)
}

fn send(to: &mut impl Write, reply: &Value) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(reply)?;
    bytes.push(0);
    to.write_all(&bytes)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(call: &str) -> (io::Result<bool>, String) {
        let mut reply = Vec::new();
        let answered = answer(&mut call.as_bytes(), &mut reply);
        (answered, String::from_utf8(reply).unwrap())
    }

    #[test]
    fn a_completed_update_is_acknowledged() {
        let call = format!("{{\"method\":\"{COMPLETED}\",\"parameters\":{{\"new\":1}}}}\0");
        let (answered, reply) = talk(&call);
        assert!(answered.unwrap());
        assert_eq!(reply, "{\"parameters\":{}}\0");
        let (answered, reply) = talk(&call.replace("{\"method", "{\"oneway\":true,\"method"));
        assert!(answered.unwrap());
        assert_eq!(reply, "");
    }

    #[test]
    fn anything_else_is_refused_and_starts_nothing() {
        let (answered, reply) = talk("{\"method\":\"org.varlink.service.GetInfo\"}\0");
        assert!(!answered.unwrap());
        assert!(reply.contains(NOT_FOUND), "{reply}");
        assert!(talk("[]\0").0.is_err());
        assert!(!talk("").0.unwrap());
        assert!(talk(&"[".repeat(2 << 20)).0.is_err());
    }
}
