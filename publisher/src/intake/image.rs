//! How an image is called, and what is said about it, in an index.

use sysext_formats::catalog::{self, Image};
use sysext_formats::name::FileName;
use sysext_formats::role::Extra;
use sysext_formats::version::Version;

use crate::candidate::Candidate;
use crate::failure::{Failure, Kind};

/// File name and version of a revision; of revision 0 the candidate's own.
pub(super) fn revised(
    candidate: &Candidate,
    revision: u32,
) -> Result<(FileName, Version), Failure> {
    if revision == 0 {
        return Ok((candidate.file_name.clone(), candidate.version.clone()));
    }
    let wrong = |error: &dyn std::error::Error| Failure::of(Kind::Usage, error);
    let version: Version = format!("{}-{revision}", candidate.version)
        .parse()
        .map_err(|error| wrong(&error))?;
    let (extension, variant) = (&candidate.extension, candidate.variant.as_deref());
    let file = Image::file_name(extension, &version, variant, &candidate.architecture);
    Ok((file.map_err(|error| wrong(&error))?, version))
}

/// The facts of an image as an index has them.
#[must_use]
pub fn facts(facts: &sysext_image::ImageFacts) -> catalog::ImageFacts {
    catalog::ImageFacts {
        container: match facts.container {
            sysext_image::Container::None => catalog::Container::None,
            sysext_image::Container::Gpt => catalog::Container::Gpt,
        },
        filesystem: facts.filesystem.to_string(),
        compressed: facts.compressed,
        verity: facts.verity.as_ref().map(|verity| catalog::Verity {
            root_hash: verity.root_hash.clone(),
            signed: verity.signed,
        }),
        units: facts.units.clone(),
        setuid: facts.setuid.clone(),
        extra: Extra::new(),
    }
}
