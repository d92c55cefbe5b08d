//! The images that come with a proposal.

use std::fs::File;

use sysext_durable::Dir;
use sysext_formats::catalog::{Image, TransportKind};
use sysext_formats::name::FileName;

use super::{ProposalError, Source};
use crate::arrival::{self, Arrival};
use crate::candidate::{self, Overrides};
use crate::content;
use crate::context::Context;
use crate::elsewhere::{self, Promised};
use crate::failure::Failure;
use crate::intake;
use crate::location::{Links, Location, Store};
use crate::patch;

/// Brings a new image and its transports from a proposal to `store`: looked at as if it were published from
/// here, and held against what its index promises; patches start from one of `images`, where it is `published`. What has URLs of its own must be there, too, and is not copied.
///
/// # Errors
/// When something is not there, is not what is promised, or would hurt hosts.
pub fn bring(
    context: &Context,
    source: &Source,
    image: &Image,
    (images, published): (&[Image], &dyn Location),
    store: &dyn Store,
    rule: elsewhere::Rule,
) -> Result<Arrival, Failure> {
    let folder = source.images(image)?;
    let files = Dir::open(&folder).map_err(ProposalError::from)?;
    // Whoever made the folder may have put a pipe there that nobody writes to, or a link to what is not his.
    let open = |name: &FileName| -> Result<File, ProposalError> {
        let missing = || ProposalError::NoImage(folder.join(name.as_str()));
        files.open_file(name.as_str())?.ok_or_else(missing)
    };
    content::check_image(open(&image.file)?, image).map_err(ProposalError::from)?;
    for transport in &image.transports {
        match &transport.kind {
            TransportKind::Zstd => content::check_zstd(open(&transport.file)?, transport, image)
                .map_err(ProposalError::from)?,
            TransportKind::RelinkLzma => {
                let base = content::base(transport, images).map_err(ProposalError::from)?;
                let reader =
                    match files
                        .open_file(base.file.as_str())
                        .map_err(ProposalError::from)?
                    {
                        Some(file) => Box::new(file),
                        None => patch::open_published(published, base, &context.ui).map_err(
                            |reason| ProposalError::NoBase {
                                file: transport.file.clone(),
                                reason,
                            },
                        )?,
                    };
                let scratch = tempfile::tempfile().map_err(ProposalError::NoPlace)?;
                let old =
                    content::copy_image(reader, base, scratch).map_err(ProposalError::from)?;
                content::check_patch(open(&transport.file)?, transport, (&old, base), image)
                    .map_err(ProposalError::from)?;
            }
            TransportKind::Unknown(kind) => {
                return Err(ProposalError::Transport {
                    file: transport.file.clone(),
                    kind: kind.clone(),
                }
                .into());
            }
        }
    }
    let said = Overrides {
        name: image.file.extension(),
        version: Some(image.version.clone()),
        architecture: Some(image.architecture.clone()),
    };
    let path = folder.join(image.file.as_str());
    let (candidate, mut opened) = candidate::read_open(&path, open(&image.file)?, &said)?;
    intake::vet(context, &candidate, &mut opened, &image.channels)?;
    let differs = |field: &'static str, promised: String, found: String| ProposalError::Facts {
        file: image.file.clone(),
        field,
        promised,
        found,
    };
    if candidate.extension_release != image.extension_release {
        return Err(differs(
            "extension_release",
            format!("{:?}", image.extension_release),
            format!("{:?}", candidate.extension_release),
        )
        .into());
    }
    let facts = intake::facts(&candidate.facts);
    if facts != image.image {
        return Err(differs("image", format!("{:?}", image.image), format!("{facts:?}")).into());
    }
    let links = Links::new()?;
    let find = |promised: Promised<'_>| -> Result<_, Failure> {
        Ok(elsewhere::find(&links, promised, rule, &context.ui)?)
    };
    arrival::bring_promised(store, &folder, image, find, &context.ui)
}
