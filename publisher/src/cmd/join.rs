//! `join`: the vendor's side of a delegation: a configuration, a pinned root and a key for one extension of somebody else's
//! catalog.

use std::path::PathBuf;

use serde_json::json;
use sysext_formats::catalog::Descriptor;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::{Limits, MAX_DESCRIPTOR};
use sysext_formats::name::ExtensionName;
use sysext_formats::role::MetadataVersion;
use sysext_formats::sign::Signer as _;
use sysext_formats::verify::verify_first_root;
use sysext_formats::workflow::RemoteFile;

use crate::config::{Guest, ROOT_FILE};
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::location::{self, Location, Place};
use crate::signer::{NewKey, create, new_key_encryption};

/// What `join` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The catalog, with the fingerprint of its root that its owner prints: URL#sha256=FINGERPRINT
    catalog: String,
    /// The extension to publish
    name: ExtensionName,
    /// Write the key without a passphrase
    #[arg(long)]
    unencrypted: bool,
}

/// Runs it.
///
/// # Errors
/// When the catalog is not the one that is meant, or something is there already.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let (url, fingerprint) = args
        .catalog
        .split_once("#sha256=")
        .ok_or_else(|| Failure::usage("the catalog is written URL#sha256=FINGERPRINT"))?;
    let fingerprint: Sha256Digest = fingerprint
        .parse()
        .map_err(|error| Failure::of(Kind::Usage, &error))?;
    let here = std::path::Path::new(".");
    let location = location::open(url, here)?;
    let descriptor = descriptor(location.as_ref())?;
    let root = first_root(location.as_ref(), &descriptor, fingerprint)?;
    let relative = PathBuf::from(format!("keys/ci/{}.pem", args.name));
    let key = NewKey::generate(&context.directory().join(&relative))?;
    let files = [
        context.globals.config.clone(),
        context.globals.config.with_file_name(ROOT_FILE),
    ];
    let there = files.iter().find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there.cloned().or_else(|| key.exists()) {
        return Err(Failure::usage(format!(
            "{} is there already; join never overwrites anything",
            path.display()
        )));
    }
    let text = Guest {
        id: &descriptor.id,
        location: url,
        url: &descriptor.url,
        extension: &args.name,
        key: &relative,
    }
    .text();
    if !context.globals.dry_run {
        let what = relative.display().to_string();
        let encryption = new_key_encryption(context, !args.unencrypted, &what)?;
        key.write(encryption.borrowed())?;
        create(
            &context.directory().join("keys/.gitignore"),
            b"# Private keys never go into version control.\n*\n!*.pub\n",
            0o644,
        )?;
        create(&context.globals.config, text.as_bytes(), 0o644)?;
        create(
            &context.globals.config.with_file_name(ROOT_FILE),
            &root,
            0o644,
        )?;
    }
    let public = key.public_path();
    let id = key.secret.public_key().canonical_id();
    let document = json!({
        "changed": true, "dry_run": context.globals.dry_run, "catalog": descriptor.id, "extension": args.name,
        "public": public, "id": id,
    });
    context.ui.data("join", &document, || {
        if context.globals.dry_run {
            return format!(
                "would make {}, {ROOT_FILE} and {}\n",
                context.globals.config.display(),
                relative.display(),
            );
        }
        format!(
            "made {}, {ROOT_FILE} and {}\n\n\
             Send {} to the owner of {}, who runs:\n  sysext-publish delegate {} --key {}.pub\n\n\
             Then, for each release:\n  sysext-publish propose add IMAGE\n\
             and hand the folder proposal/ to the owner, who runs:\n  sysext-publish accept proposal/\n",
            context.globals.config.display(),
            relative.display(),
            public.display(),
            descriptor.id,
            args.name,
            args.name,
        )
    });
    Ok(Verdict::Good)
}

fn descriptor(location: &dyn Location) -> Result<Descriptor, Failure> {
    let bytes = location.read(&Place::Descriptor, MAX_DESCRIPTOR)?;
    let bytes = bytes.ok_or_else(|| {
        Failure::new(
            Kind::Host,
            format!("{} has no catalog.toml", location.name()),
        )
    })?;
    Descriptor::parse(&bytes).map_err(|error| {
        Failure::of(Kind::Unverified, &error).during(format!(
            "catalog.toml at {} can not be used",
            location.name()
        ))
    })
}

/// The root that the fingerprint names: nothing else of what is served is believed.
fn first_root(
    location: &dyn Location,
    descriptor: &Descriptor,
    fingerprint: Sha256Digest,
) -> Result<Vec<u8>, Failure> {
    let version: MetadataVersion = descriptor.root_version;
    let place = Place::Metadata(RemoteFile::Root(version));
    let bytes = location.read(&place, Limits::default().root)?;
    let bytes = bytes
        .ok_or_else(|| Failure::new(Kind::Host, format!("{} has no {place}", location.name())))?;
    let found = Sha256Digest::of(&bytes);
    if found != fingerprint {
        return Err(Failure::new(
            Kind::Unverified,
            format!("{place} has the sha256 {found}, {fingerprint} was expected"),
        )
        .hint("ask the owner of the catalog for the fingerprint, by another way than the catalog itself"));
    }
    verify_first_root(&bytes).map_err(|error| {
        Failure::of(Kind::Unverified, &error).during(format!("{place} is not a root"))
    })?;
    Ok(bytes)
}
