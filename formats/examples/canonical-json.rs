//! Encodes canonical JSON for `ci/oracles`: reads one document a line, prints the encoding in hexadecimal, or `error`.

use std::io::{self, BufRead as _, Write as _};

use sysext_formats::{canonical, json};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let encoded = json::parse(line?.as_bytes())
            .ok()
            .and_then(|value| canonical::encode(&value).ok());
        match encoded {
            Some(bytes) => writeln!(out, "{}", data_encoding::HEXLOWER.encode(&bytes))?,
            None => writeln!(out, "error")?,
        }
    }
    out.flush()
}
