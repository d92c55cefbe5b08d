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
use crate::elsewhere::{self, ElsewhereError, Promised};
use crate::failure::Failure;
use crate::intake;
use crate::location::{Links, Location, Store};
use crate::patch;

/// Judges the URLs of a new image and of its transports; none of them is followed.
///
/// # Errors
/// When there are too many, or hosts would not follow one.
pub fn judge(image: &Image, rule: elsewhere::Rule) -> Result<(), ElsewhereError> {
    elsewhere::links(&image.into(), rule)?;
    for transport in &image.transports {
        elsewhere::links(&transport.into(), rule)?;
    }
    Ok(())
}

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
                let scratch = tempfile::tempfile;
                let beside = files.open_file(base.file.as_str());
                let old = match beside.map_err(ProposalError::from)? {
                    Some(file) => {
                        let scratch = scratch().map_err(ProposalError::NoPlace)?;
                        content::copy_image(file, base, scratch).map_err(ProposalError::from)?
                    }
                    None => {
                        let scratch = || scratch().map_err(|error| error.to_string());
                        patch::copy_published(published, base, rule, &context.ui, scratch).map_err(
                            |reason| ProposalError::NoBase {
                                file: transport.file.clone(),
                                reason,
                            },
                        )?
                    }
                };
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
