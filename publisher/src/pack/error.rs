//! Why there is no image.

use std::io;
use std::path::PathBuf;

use sysext_formats::name::{FileName, NameError};
use sysext_formats::os::FieldsError;

use crate::candidate::CandidateError;
use crate::failure::{Failure, Kind};
use crate::lint::{Finding, Severity};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Something of the input can not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder together with anything else.
    #[error("{} is a folder, and something else is given with it", .0.display())]
    FolderAndMore(PathBuf),
    /// A path that hosts would not see.
    #[error("{} is outside usr and opt, and hosts merge nothing else", .0.display())]
    Outside(PathBuf),
    /// Neither file, directory nor link.
    #[error("{} is a {kind}, which an image can not hold", path.display())]
    Special {
        /// What.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A name that is not text.
    #[error("{} has a name that is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The target of a link that readers of squashfs refuse.
    #[error("the link {} has a target of {length} bytes; {limit} are the most", path.display())]
    LongLink {
        /// The link.
        path: PathBuf,
        /// The length of its target.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// Two inputs that would have the same path.
    #[error("/{path} would be there twice: {} and something before it", from.display())]
    Twice {
        /// The path in the image.
        path: String,
        /// The second one.
        from: PathBuf,
    },
    /// Neither program nor script.
    #[error("{} is neither a program (ELF) nor a script (#!)", .0.display())]
    NotAProgram(PathBuf),
    /// A file that is no unit by its name.
    #[error("{} is not the name of a unit", .0.display())]
    NotAUnit(PathBuf),
    /// A program that needs libraries of the host, for any host.
    #[error(
        "/{path} needs libraries of the operating system it was built for ({needs}), so it can not be for every one"
    )]
    Dynamic {
        /// The program, in the image.
        path: String,
        /// What it needs.
        needs: String,
    },
    /// Programs for different machines.
    #[error("/{first} is for {one}, and /{second} for {other}: an image is for one architecture")]
    Architectures {
        /// A program.
        first: String,
        /// Its architecture.
        one: String,
        /// Another one.
        second: String,
        /// Its architecture.
        other: String,
    },
    /// A program for another machine than was said.
    #[error("/{path} is for {found}, and --arch says {said}")]
    Architecture {
        /// The program.
        path: String,
        /// Its architecture.
        found: String,
        /// What was said.
        said: String,
    },
    /// A machine that systemd has no name for.
    #[error("/{0} is for a machine that systemd has no name for")]
    UnknownMachine(String),
    /// The folder's own extension-release says something else.
    #[error("{field} is {said}, and {own} in the folder's own extension-release.{name}")]
    Release {
        /// The field, and who said it.
        field: &'static str,
        /// What was said.
        said: String,
        /// What the folder says.
        own: String,
        /// The extension.
        name: String,
    },
    /// The folder's extension-release is another extension's.
    #[error("the folder holds extension-release.{found}, and the extension is {name}")]
    ReleaseName {
        /// The name it carries.
        found: String,
        /// The extension.
        name: String,
    },
    /// The folder's extension-release is no such file.
    #[error("the folder's extension-release.{name} can not be read")]
    ReleaseFile {
        /// The extension.
        name: String,
        /// Why.
        source: FieldsError,
    },
    /// Name, version, operating system and architecture make no file name.
    #[error("the image can get no file name in a catalog")]
    FileName(#[source] NameError),
    /// Not a path that a file can have.
    #[error("{} is not a file that can be written", .0.display())]
    Output(PathBuf),
    /// A file name that says something else about the image.
    #[error("{} would say {what} {said}, and the image is {own}", path.display())]
    Named {
        /// The file.
        path: PathBuf,
        /// Name, version or architecture.
        what: &'static str,
        /// What the file name says.
        said: String,
        /// What is so.
        own: String,
        /// The name that a catalog gives it.
        file_name: FileName,
    },
    /// Another image is there.
    #[error("{} exists, and is another image", .0.display())]
    Exists(PathBuf),
    /// The directory to write to, or the file in it.
    #[error(transparent)]
    Durable(#[from] sysext_durable::Error),
    /// The image can not be written.
    #[error("the image can not be written")]
    Write(#[source] io::Error),
    /// The writer of the file system refuses.
    #[error("the file system can not be made: {0}")]
    Writer(String),
    /// A program that makes the file system.
    #[error("{program} {what}")]
    Tool {
        /// The program.
        program: &'static str,
        /// What happened to it.
        what: String,
    },
    /// The image can not be read back.
    #[error("the image can not be read back")]
    ReadBack(#[source] io::Error),
    /// What was read back is not what was written.
    #[error(
        "/{0} is not in the image as it was written: this is a bug, and the image was not kept"
    )]
    Differs(String),
    /// What was written is no image to publish.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// What was written would hurt.
    #[error("the image would hurt hosts, and was not kept")]
    Lint(Vec<Finding>),
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        let kind = match error {
            PackError::FolderAndMore(_)
            | PackError::NotAProgram(_)
            | PackError::NotAUnit(_)
            | PackError::Dynamic { .. }
            | PackError::Architectures { .. }
            | PackError::Architecture { .. }
            | PackError::UnknownMachine(_)
            | PackError::Named { .. }
            | PackError::Release { .. }
            | PackError::ReleaseName { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let mut failure = Self::of(kind, &error);
        if let PackError::Lint(findings) = &error {
            failure = errors(findings).fold(failure, |failure, it| it.causing(failure));
        }
        hints(&error).into_iter().fold(failure, Self::hint)
    }
}

fn hints(error: &PackError) -> Vec<String> {
    let one = |hint: &str| vec![hint.to_owned()];
    match error {
        PackError::FolderAndMore(_) => one("give one folder, or only programs; put programs into usr/bin of the folder"),
        PackError::Outside(path) => {
            let inner = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match inner.as_str() {
                "bin" | "sbin" | "lib" | "lib64" | "libexec" | "share" | "include" => vec![format!(
                    "an image is laid out as the host's root is: make the folder `usr`, and move {inner} into it"
                )],
                "etc" => one("defaults belong into usr/share, with a line in usr/lib/tmpfiles.d that copies them to /etc"),
                "var" | "run" => one("directories below /var and /run are made by a line in usr/lib/tmpfiles.d"),
                _ => one("move it below usr or opt, or leave it out"),
            }
        }
        PackError::Special { .. } => one("leave it out: programs make sockets and pipes below /run, and the host has devices"),
        PackError::NotAProgram(_) => one("put other files into a folder laid out as the root is (usr/share/…), and pack that"),
        PackError::NotAUnit(_) => one("name it as systemd does, such as k3s.service or k3s.timer"),
        PackError::Dynamic { .. } => vec![
            "link it statically (Go: CGO_ENABLED=0, Rust: --target …-unknown-linux-musl), and one image fits every host".to_owned(),
            "or bind the image to one system: --os-id debian --os-version 13, as ID and VERSION_ID in its /etc/os-release".to_owned(),
            "or, where the folder brings all it needs with it, say --os-id _any".to_owned(),
        ],
        PackError::Architectures { .. } => one("pack one image for each, or say --arch when the others are data"),
        PackError::Architecture { .. } => one("leave --arch away: it is read from the programs"),
        PackError::UnknownMachine(_) => one("say --arch, with the name that hosts report in `systemd-analyze condition 'ConditionArchitecture=…'`"),
        PackError::Release { .. } => one("leave the option away, or correct the file in the folder"),
        PackError::ReleaseName { found, name } => {
            vec![format!("say --name {found}, or rename the file to extension-release.{name}")]
        }
        PackError::Named { file_name, .. } => vec![format!(
            "call it {file_name}, or leave the file name out of --output; `add` believes file names"
        )],
        PackError::Exists(_) => one("give every change its own version, choose another --output, or replace it with --force"),
        PackError::Tool { program: "mkfs.erofs", .. } => one("leave --filesystem away: squashfs needs no program, and every host merges it"),
        _ => Vec::new(),
    }
}

fn errors(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
}
