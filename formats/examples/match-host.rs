//! Decides host matching for `ci/oracles`: reads JSON lines with `os_release`, `extension_release` and `architecture`,
//! prints `fits` or `refused: REASON` for each.

use std::io::{self, BufRead as _, Write as _};

use serde::Deserialize;
use sysext_formats::os::{Fields, Host, match_host};

#[derive(Deserialize)]
struct Case {
    os_release: String,
    extension_release: String,
    architecture: String,
}

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        let fields = |text: &str| Fields::parse(text.as_bytes()).map_err(io::Error::other);
        let host = Host {
            os_release: fields(&case.os_release)?,
            architecture: case.architecture,
        };
        match match_host(&fields(&case.extension_release)?, &host) {
            Ok(()) => writeln!(out, "fits")?,
            Err(misfit) => writeln!(out, "refused: {misfit}")?,
        }
    }
    out.flush()
}
