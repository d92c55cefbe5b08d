//! Writes a published catalog of any size, for measurements: documents as they are, and no image.
//!
//!     write-catalog FOLDER EXTENSIONS VERSIONS URL
//!
//! FOLDER gets what `sysext-publish init public` leaves in it, with `sysext-publish.toml` and the keys: `sysext-publish` goes
//! on from there, and `sysext-fetch` reads `public/`. Ended at any moment it leaves a smaller catalog.

mod publish;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use sysext_publish::context::Environment;
use sysext_publish::ui::{Format, Ui};

fn main() -> ExitCode {
    let ui = Ui::new(Format::Text, false);
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [folder, extensions, versions, url] = arguments.as_slice() else {
        ui.warn("usage: write-catalog FOLDER EXTENSIONS VERSIONS URL");
        return ExitCode::from(2);
    };
    let (Ok(extensions), Ok(versions)) = (extensions.parse(), versions.parse()) else {
        ui.warn("EXTENSIONS and VERSIONS are numbers");
        return ExitCode::from(2);
    };
    let folder = PathBuf::from(folder);
    match publish::write(
        &folder,
        (extensions, versions),
        url,
        Environment::of_process(),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::FAILURE
        }
    }
}
