//! Writes the catalog of `FORMAT.md`, "Test vectors", into `formats/tests/vectors/catalog`: the same bytes on every run.
//!
//! Prints the digest of each file as the table in `FORMAT.md` has it.

mod catalog;

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use sysext_formats::digest::Sha256Digest;

fn main() -> Result<(), Box<dyn Error>> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/catalog");
    let mut out = std::io::stdout().lock();
    for (path, bytes) in catalog::files()? {
        File::create(base.join(path))?.write_all(&bytes)?;
        let digest = Sha256Digest::of(&bytes);
        writeln!(out, "| `{path}` | {} | `{digest}` |", bytes.len())?;
    }
    Ok(())
}
