//! `init`: keys, the first root, an empty catalog, and the configuration.
//!
//! Nothing that is there already is overwritten, neither beside the configuration nor at the location.

use serde_json::json;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::role::MetadataVersion;
use sysext_formats::sign::Signer as _;
use sysext_formats::workflow::RemoteFile;
use url::Url;

use crate::config::{Config, Extension, Profile, ROOT_FILE, Template};
use crate::context::{Context, Outcome, Verdict};
use crate::draft::{Change, DocumentId, Draft, First, FirstKeys, Need};
use crate::failure::{Failure, Kind};
use crate::location::{self, Location, Place};
use crate::memory::Documents;
use crate::selfcheck::{self, Before};
use crate::session;
use crate::signer::{
    NewKey, Roster, SignedDraft, SignerError, Signers, create, new_key_encryption,
};
use crate::staged::{Arrivals, StagedTree};
use crate::upload;

const MAX_ROOT_KEYS: u8 = 16;

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the catalog is written: a directory, relative to the configuration, git:BRANCH or s3://BUCKET/PREFIX
    location: String,
    /// What hosts call the catalog
    #[arg(long, value_name = "ID")]
    id: CatalogId,
    /// Where hosts will read it; may be given several times, for mirrors
    #[arg(long, value_name = "URL", required = true)]
    url: Vec<Url>,
    /// What people call the catalog
    #[arg(long, value_name = "TEXT", default_value = "")]
    title: String,
    /// An extension to begin with; may be given several times
    #[arg(long = "extension", value_name = "NAME")]
    extensions: Vec<ExtensionName>,
    /// How the vendor works
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// How many root keys to make [default: 2, with the profile team 3]
    #[arg(long, value_name = "N")]
    root_keys: Option<u8>,
    /// How many of them must sign a new root [default: 1, with the profile team 2]
    #[arg(long, value_name = "M")]
    root_threshold: Option<u8>,
    /// Write the root keys without a passphrase
    #[arg(long)]
    unencrypted: bool,
}

/// Keys that were made and are not written yet.
#[derive(Debug)]
struct Keys {
    root: Vec<NewKey>,
    release: NewKey,
    online: NewKey,
}

/// Runs it.
///
/// # Errors
/// When something is there already, or can not be made.
pub fn run(context: &Context, mut args: Args) -> Outcome {
    let team = args.profile == Profile::Team;
    let root_keys = args.root_keys.unwrap_or(if team { 3 } else { 2 });
    let threshold = args
        .root_threshold
        .unwrap_or(if team { 2 } else { 1 }.min(root_keys));
    if !(1..=MAX_ROOT_KEYS).contains(&root_keys) {
        return Err(Failure::usage(format!(
            "--root-keys {root_keys}: 1 to {MAX_ROOT_KEYS} are possible"
        )));
    }
    args.extensions.sort();
    args.extensions.dedup();
    let text = Template {
        id: &args.id,
        title: &args.title,
        url: &args.url,
        location: &args.location,
        profile: args.profile,
        extensions: &args.extensions,
        root_keys,
    }
    .text();
    let config: Config =
        toml::from_str(&text).map_err(|error| Failure::of(Kind::Failed, &error))?;
    let keys = Keys::generate(context, root_keys)?;
    refuse_what_is_there(context, &keys)?;
    let draft = first(context, &config, &keys, u64::from(threshold), team)?;
    if context.globals.dry_run {
        // One that is not there yet can not be opened.
        if let Ok(there) = location::open(&args.location, &context.directory()) {
            refuse_catalog(there.as_ref())?;
        }
        let changes = &draft.changes;
        context.ui.data(
            "init",
            &json!({"changed": true, "dry_run": true, "changes": changes}),
            || {
                let lines: String = changes.iter().map(|change| format!("{change}\n")).collect();
                format!("{lines}nothing was made (--dry-run)\n")
            },
        );
        return Ok(Verdict::Good);
    }
    let encryption = new_key_encryption(context, !args.unencrypted, "a root key")?;
    let store = location::create_store(&args.location, &context.directory())?;
    refuse_inside(context, &args.location)?;
    refuse_catalog(store.as_ref())?;

    let signed = SignedDraft::new(draft, &keys)?;
    let root = signed
        .root_bytes()
        .ok_or_else(|| Failure::new(Kind::Failed, "no root was made"))?
        .to_vec();
    let fingerprint = Sha256Digest::of(&root);
    let mut arrivals = Arrivals::new();
    let descriptor = session::descriptor(&config, MetadataVersion::ONE, fingerprint);
    let tree = StagedTree::new(signed, &mut arrivals, &descriptor)?;
    let before = Before {
        first_root: &root,
        published: Documents::new(),
        location: None,
        now: context.now(),
    };
    let publishable = selfcheck::check(tree, &before)?;

    // Keys first: a catalog whose keys are lost can only be thrown away.
    for key in &keys.root {
        key.write(encryption.borrowed())?;
    }
    keys.release.write(crate::signer::Encryption::None)?;
    keys.online.write(crate::signer::Encryption::None)?;
    let directory = context.directory();
    let ignore = directory.join("keys/.gitignore");
    if ignore.symlink_metadata().is_err() {
        create(
            &ignore,
            b"# Private keys never go into version control.\n*\n",
            0o644,
        )?;
    }
    create(&context.globals.config, text.as_bytes(), 0o644)?;
    create(
        &context.globals.config.with_file_name(ROOT_FILE),
        &root,
        0o644,
    )?;
    let uploaded = upload::upload(store.as_ref(), publishable, None, config.hashed_names)?;
    report(
        context,
        &args,
        &store.name(),
        fingerprint,
        &uploaded.changes,
    );
    Ok(Verdict::Good)
}

impl Keys {
    fn generate(context: &Context, root_keys: u8) -> Result<Self, Failure> {
        let keys = context.directory().join("keys");
        let root = (1..=root_keys)
            .map(|number| NewKey::generate(&keys.join(format!("offline/root-{number}.pem"))));
        Ok(Self {
            root: root.collect::<Result<_, _>>()?,
            release: NewKey::generate(&keys.join("ci/release.pem"))?,
            online: NewKey::generate(&keys.join("ci/online.pem"))?,
        })
    }
}

impl Roster for Keys {
    /// Everybody who may sign does: all keys are at hand.
    fn signers(&self, _: &DocumentId, needs: &[Need<'_>]) -> Result<Signers, SignerError> {
        let all = self.root.iter().chain([&self.release, &self.online]);
        let may_sign = |key: &&NewKey| {
            let id = key.secret.public_key().canonical_id();
            needs.iter().any(|need| need.keys.keyids.contains(&id))
        };
        let keys = all.filter(may_sign);
        Ok(Signers::of(keys.map(|key| std::rc::Rc::clone(&key.secret))))
    }
}

fn refuse_what_is_there(context: &Context, keys: &Keys) -> Result<(), Failure> {
    let config = context.globals.config.clone();
    let files = [config.with_file_name(ROOT_FILE), config];
    let files = files
        .into_iter()
        .filter(|path| path.symlink_metadata().is_ok());
    let keys = keys
        .root
        .iter()
        .chain([&keys.release, &keys.online])
        .filter_map(NewKey::exists);
    match files.chain(keys).next() {
        None => Ok(()),
        Some(path) => Err(there(&path.display().to_string())),
    }
}

fn refuse_catalog(store: &dyn Location) -> Result<(), Failure> {
    let first_root = Place::Metadata(RemoteFile::Root(MetadataVersion::ONE));
    for place in [
        Place::Metadata(RemoteFile::Timestamp),
        first_root,
        Place::Descriptor,
    ] {
        if store.open(&place)?.is_some() {
            return Err(there(&format!("{place} at {}", store.name())));
        }
    }
    Ok(())
}

fn there(what: &str) -> Failure {
    Failure::usage(format!("{what} is there already; init never overwrites anything"))
        .hint("to go on with that catalog, run `sysext-publish status`; to begin another one, use another directory")
}

/// Keys lie beside the configuration: that must not be below what the world reads.
fn refuse_inside(context: &Context, location: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of(Kind::Failed, &error);
    let here = context.directory().canonicalize().map_err(failed)?;
    // A location that is no path is none that the keys could be in.
    let Ok(tree) = context
        .directory()
        .join(location.trim_start_matches("file://"))
        .canonicalize()
    else {
        return Ok(());
    };
    if here.starts_with(&tree) {
        return Err(Failure::usage(format!(
            "the keys would be made in {}, inside of the published tree {}",
            here.display(),
            tree.display()
        ))
        .hint("name a directory below this one, such as `public`"));
    }
    Ok(())
}

fn first(
    context: &Context,
    config: &Config,
    keys: &Keys,
    threshold: u64,
    team: bool,
) -> Result<Draft, Failure> {
    let public = |key: &NewKey| key.secret.public_key().clone();
    let info = |extension: &Extension| extension.info(Default::default());
    let first = First {
        keys: FirstKeys {
            root: keys.root.iter().map(public).collect(),
            root_threshold: threshold,
            release: public(&keys.release),
            online: public(&keys.online),
            targets_by_root: team,
        },
        title: &config.title,
        extensions: config
            .extension
            .iter()
            .map(|(name, said)| (name.clone(), info(said)))
            .collect(),
        policy: config.policy(),
        now: context.now(),
    };
    Ok(first.draft()?)
}

fn report(
    context: &Context,
    args: &Args,
    location: &str,
    fingerprint: Sha256Digest,
    changes: &[Change],
) {
    let url = args
        .url
        .first()
        .map(|url| url.as_str().trim_end_matches('/'))
        .unwrap_or_default();
    let trust = format!("{url}#sha256={fingerprint}");
    let document = json!({
        "changed": true, "changes": changes, "location": location, "fingerprint": fingerprint, "trust": trust,
        "config": context.globals.config,
    });
    context
        .ui
        .data("init", &document, || text(context, args, location, &trust));
}

fn text(context: &Context, args: &Args, location: &str, trust: &str) -> String {
    let mut text = format!(
        "made {config}, root.json, keys/ and an empty catalog in {location}\n\n\
         Next:\n  sysext-publish pack PROGRAM --name NAME --version VERSION\n",
        config = context.globals.config.display()
    );
    if args.extensions.is_empty() {
        text.push_str("  sysext-publish extension add NAME\n");
    }
    text.push_str("  sysext-publish add IMAGE\n");
    if args.profile != Profile::Manual {
        text.push_str(
            "\nIn a GitHub repository, for the jobs that publish and renew (ci/templates/github has their workflows):\n\
             \x20 gh api --method PUT 'repos/{owner}/{repo}/environments/release'\n\
             \x20 gh api --method PUT 'repos/{owner}/{repo}/environments/renew'\n\
             \x20 gh secret set SYSEXT_RELEASE_KEY --env release < keys/ci/release.pem\n\
             \x20 gh secret set SYSEXT_ONLINE_KEY --env release < keys/ci/online.pem\n\
             \x20 gh secret set SYSEXT_ONLINE_KEY --env renew < keys/ci/online.pem\n",
        );
    }
    text.push_str(&format!(
        "\nPut keys/offline/ where no network reaches it, in two places. Commit {} and root.json.\n\
         \nTell hosts what to trust, where they believe you:\n  sysext-fetch catalog add '{trust}'\n",
        context.globals.config.display()
    ));
    text
}
