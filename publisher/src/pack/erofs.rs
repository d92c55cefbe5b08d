//! Writes erofs, with `mkfs.erofs` of the machine: the one file that calls it.
//!
//! - It packs folders only, so the tree is laid out in a scratch folder first, with the modes that it shall have.
//! - Time, owner, volume id and the level of extended attributes are given, so nothing of this machine gets in. Other
//!   versions of mkfs.erofs may write other bytes; one version always writes the same.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use sysext_durable::DurableFile;

use super::PackError;
use super::reading::{Digests, Reading};
use super::tree::{Node, Tree};

const PROGRAM: &str = "mkfs.erofs";

/// The volume id of every image: it tells nobody anything, and must not differ.
const VOLUME: &str = "5e5e8d7a-0b1c-5d9e-9f3e-6a1d2c7b4e10";

/// Files below this many bytes are compared when the image is read back.
pub(super) const COMPARED: u64 = 64 << 20;

/// Writes the image.
pub(super) fn write(tree: &Tree, file: &mut DurableFile) -> Result<Digests, PackError> {
    // Scratch: it goes when this returns, and nothing in it needs to outlive a crash.
    let scratch = tempfile::Builder::new()
        .prefix("sysext-pack-")
        .tempdir()
        .map_err(PackError::Write)?;
    let (root, image) = (scratch.path().join("root"), scratch.path().join("image"));
    make_directory(&root).map_err(PackError::Write)?;
    let digests = Digests::default();
    for (path, node) in tree.nodes() {
        lay_out(node, path, &root, &digests).map_err(PackError::Write)?;
    }
    run(&image, &root)?;
    let copied = File::open(&image).and_then(|mut image| io::copy(&mut image, file));
    copied.map_err(PackError::Write)?;
    Ok(digests)
}

fn lay_out(node: &Node, path: &Path, root: &Path, digests: &Digests) -> io::Result<()> {
    let (shown, path) = (path.to_string_lossy().into_owned(), &root.join(path));
    match node {
        Node::Directory => make_directory(path),
        Node::Link(target) => Ok(rustix::fs::symlink(target, path)?),
        Node::File { mode, content } => {
            let mut to = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            io::copy(&mut Reading::new(shown, content, digests), &mut to)?;
            to.set_permissions(Permissions::from_mode(u32::from(*mode)))
        }
    }
}

/// The umask must not decide what is in an image.
fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    File::open(path)?.set_permissions(Permissions::from_mode(0o755))
}

fn run(image: &Path, root: &Path) -> Result<(), PackError> {
    let failed = |what: String| PackError::Tool {
        program: PROGRAM,
        what,
    };
    let mut command = Command::new(PROGRAM);
    crate::signer::without_secrets(&mut command);
    let result = command
        .args(["--quiet", "-T0", "-x-1", "--all-root", "-U", VOLUME])
        .args([image, root])
        .env_remove("SOURCE_DATE_EPOCH")
        .stdin(Stdio::null())
        .output();
    let output = match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(failed("is not installed (package erofs-utils)".to_owned()));
        }
        result => result.map_err(|error| failed(format!("can not be started: {error}")))?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<_> = said.lines().rev().take(3).collect();
    Err(failed(format!(
        "failed ({}): {}",
        output.status,
        last.join("; ")
    )))
}
