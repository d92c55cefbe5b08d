//! Makes a system extension image from a folder, or from plain programs.
//!
//! - The same content gives the same bytes: no clock, no umask, no user, no order of a directory gets in. Owner is root,
//!   modes are 0755 and 0644, times are 0, and extended attributes stay behind.
//! - Nothing is mounted, no right of root is needed, and memory does not grow with the size of a file.
//! - What was written is read back and held against what went in, and looked at by [`candidate`] and
//!   [`lint`], before it gets its name. A pack that was killed leaves at most a `.tmp-…` file.
//! - A file that is there already stays, unless it is the same image or `force` is said.
//!
//! It does not resolve libraries: a program that needs some is bound to the operating system it was built for, or ships
//! what it needs in its folder.

mod compare;
pub mod elf;
mod erofs;
mod error;
mod reading;
mod release;
mod squashfs;
mod tree;

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sysext_durable::{Dir, DurableFile};
use sysext_formats::catalog::{self, Architecture};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

pub use self::error::PackError;
pub use self::release::OsField;
use self::tree::Tree;
use crate::candidate::{self, Candidate, Contradiction, Named, Overrides};
use crate::lint::{self, Finding};

/// The file system to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Filesystem {
    /// Every host merges it.
    #[default]
    Squashfs,
    /// With mkfs.erofs, where that is installed.
    Erofs,
}

/// What to pack.
#[derive(Debug, Clone)]
pub struct Request {
    /// One folder, or programs.
    pub inputs: Vec<PathBuf>,
    /// The extension's name.
    pub name: ExtensionName,
    /// The extension's version.
    pub version: Version,
    /// The operating system it is for.
    pub os_id: Option<OsField>,
    /// The version of that operating system.
    pub os_version: Option<OsField>,
    /// The machines it is for.
    pub architecture: Option<Architecture>,
    /// Unit files to add.
    pub units: Vec<PathBuf>,
    /// Where to write: a file, or a directory that exists; else the current one.
    pub output: Option<PathBuf>,
    /// The file system to write.
    pub filesystem: Filesystem,
    /// Whether setuid and setgid bits stay.
    pub keep_setuid: bool,
    /// Whether another file of that name is replaced.
    pub force: bool,
    /// Whether nothing is kept.
    pub dry_run: bool,
}

/// What was packed.
#[derive(Debug)]
pub struct Packed {
    /// The image, as it would be published.
    pub candidate: Candidate,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// How many files and links are in it.
    pub files: usize,
    /// What the lint has to say; no errors.
    pub findings: Vec<Finding>,
    /// What was left behind on the way.
    pub warnings: Vec<String>,
    /// Whether there is a new file.
    pub changed: bool,
}

/// Packs an image.
///
/// # Errors
/// When the input can not be an image for the hosts asked for, or the file can not be written. What had the name of the
/// image still has it then.
pub fn pack(request: &Request) -> Result<Packed, PackError> {
    let mut tree = Tree::gather(request)?;
    let target = release::settle(&mut tree, request)?;
    let variant = candidate::variant(&target.fields);
    let file_name = catalog::Image::file_name(
        &request.name,
        &request.version,
        variant.as_deref(),
        &target.architecture,
    )
    .map_err(PackError::FileName)?;
    let path = output_path(request, file_name.as_str());
    let (dir, name) = split(&path)?;
    let named = Named {
        extension: &request.name,
        version: &request.version,
        variant: variant.as_deref(),
        architecture: &target.architecture,
    };
    if name != file_name.as_str()
        && let Some(Contradiction { what, said, own }) = named.contradicted_by(&name)
    {
        return Err(PackError::Named {
            path,
            what,
            said,
            own,
            file_name,
        });
    }
    let mut file = dir.writer(&name, 0o644)?;
    let (digests, bound) = match request.filesystem {
        Filesystem::Squashfs => (squashfs::write(&tree, &mut file)?, squashfs::BLOCK),
        Filesystem::Erofs => (erofs::write(&tree, &mut file)?, erofs::COMPARED),
    };
    let overrides = Overrides {
        name: Some(request.name.clone()),
        version: Some(request.version.clone()),
        architecture: Some(target.architecture),
    };
    let handle = || file.file().try_clone().map_err(PackError::ReadBack);
    let (candidate, mut image) = candidate::read_open(&path, handle()?, &overrides)?;
    compare::check(&tree, &digests, &mut image, bound)?;
    let findings = lint::check(&candidate, &mut image, &[]);
    if lint::has_errors(&findings) {
        return Err(PackError::Lint(findings));
    }
    let sha256 = digest(&mut handle()?).map_err(PackError::ReadBack)?;
    let changed = place(&dir, &name, file, sha256, request)?;
    let (files, warnings) = (tree.files(), tree.warnings);
    Ok(Packed {
        candidate,
        sha256,
        files,
        findings,
        warnings,
        changed,
    })
}

fn output_path(request: &Request, file_name: &str) -> PathBuf {
    match &request.output {
        None => PathBuf::from(file_name),
        Some(output) if output.is_dir() => output.join(file_name),
        Some(output) => output.clone(),
    }
}

/// The directory of `path`, which must exist, and the name in it.
fn split(path: &Path) -> Result<(Dir, String), PackError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| PackError::Output(path.to_owned()))?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    Ok((
        Dir::open(parent.unwrap_or(Path::new(".")))?,
        name.to_owned(),
    ))
}

/// Gives the image its name; answers whether there is something new.
fn place(
    dir: &Dir,
    name: &str,
    file: DurableFile,
    sha256: Sha256Digest,
    request: &Request,
) -> Result<bool, PackError> {
    let path = dir.path_of(name)?;
    // Packing again is no work, and no reason to fail.
    if let Some(mut there) = dir.open_file(name)? {
        if digest(&mut there).map_err(PackError::ReadBack)? == sha256 {
            return Ok(false);
        }
        if !request.force {
            return Err(PackError::Exists(path));
        }
    }
    if request.dry_run {
        return Ok(true);
    }
    if request.force {
        file.commit()?;
    } else if !file.commit_new()? {
        return Err(PackError::Exists(path));
    }
    Ok(true)
}

fn digest(file: &mut File) -> io::Result<Sha256Digest> {
    file.seek(SeekFrom::Start(0))?;
    reading::digest_of(file)
}
