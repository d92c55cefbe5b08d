//! Writes `fixtures/`: every scenario as files. Run it after a change of `src/scenario/`; a test compares the two.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    if fixtures.exists() {
        fs::remove_dir_all(&fixtures)?;
    }
    for scenario in test_repos::scenario::all() {
        for (path, bytes) in scenario.disk_files() {
            let path = fixtures.join(scenario.name).join(path);
            fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
            fs::write(path, bytes)?;
        }
    }
    Ok(())
}
