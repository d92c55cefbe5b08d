//! Arguments that several commands take alike.

use sysext_formats::catalog::Architecture;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use crate::candidate::Overrides;
use crate::draft::Which;
use crate::failure::Failure;
use crate::pack::elf;

/// Which published images are meant.
#[derive(Debug, clap::Args)]
pub(super) struct Published {
    /// The extension
    name: ExtensionName,
    /// The version
    version: Version,
    /// Only the images for these machines, in systemd's words
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    arch: Option<Architecture>,
}

impl From<Published> for Which {
    fn from(args: Published) -> Self {
        Self {
            extension: args.name,
            version: args.version,
            architecture: args.arch,
        }
    }
}

/// What counts more than what an image, its name and the files beside it say.
#[derive(Debug, clap::Args)]
pub(super) struct Said {
    /// The extension's name, where the image and its file name do not say it
    #[arg(long, value_name = "NAME")]
    name: Option<ExtensionName>,
    /// The extension's version, where the image and its file name do not say it
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// The architecture, in systemd's words
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    arch: Option<Architecture>,
}

impl Said {
    /// As it is said about so many images.
    ///
    /// # Errors
    /// When it would be about more than one.
    pub(super) fn about(&self, images: usize) -> Result<Overrides, Failure> {
        if images > 1 && (self.name.is_some() || self.version.is_some()) {
            return Err(Failure::usage(
                "--name and --version are about one image, and several are given",
            ));
        }
        Ok(Overrides {
            name: self.name.clone(),
            version: self.version.clone(),
            architecture: self.arch.clone(),
        })
    }
}

/// An architecture that systemd knows; a name of others leads to it.
pub(super) fn architecture(text: &str) -> Result<Architecture, String> {
    if elf::ARCHITECTURES.contains(&text) {
        return text.parse().map_err(|error| format!("{error}"));
    }
    Err(match elf::systemd_name(text) {
        Some(ours) => format!("systemd calls it {ours}"),
        None => "systemd knows no such architecture; x86-64, arm64 and riscv64 are some, and _any is every one".to_owned(),
    })
}
