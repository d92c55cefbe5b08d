//! Makes a patch, or applies one: for measurements (ci/bench/patches).
//!
//! `patch make OLD NEW PATCH` and `patch apply OLD PATCH LENGTH NEW`.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Cursor, Write as _};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["make", old, new, patch] => {
            let (old, new) = (std::fs::read(old)?, std::fs::read(new)?);
            // What is no image has no tree.
            let tree = sysext_image::hash_tree(Cursor::new(new.clone()), new.len() as u64);
            let tree = tree.ok().flatten();
            std::fs::write(patch, sysext_patch::make::make(&old, &new, tree.as_ref())?)?;
        }
        ["apply", old, patch, length, new] => {
            let old = File::open(old)?;
            let old_length = old.metadata()?.len();
            let mut out = BufWriter::new(File::create(new)?);
            sysext_patch::apply(
                old,
                old_length,
                File::open(patch)?,
                &mut out,
                length.parse()?,
            )?;
            out.flush()?;
        }
        _ => {
            return Err(
                "usage: patch make OLD NEW PATCH | patch apply OLD PATCH LENGTH NEW".into(),
            );
        }
    }
    Ok(())
}
