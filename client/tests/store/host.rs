//! A host with a store, and a server with images: what the stories of this folder are told with.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sysext_fetch::config::{Config, Extension, Settings};
use sysext_fetch::fetch::{Fetcher, Network, Patience};
use sysext_fetch::root::Root;
use sysext_fetch::stage::{StageError, StagedImage, Wanted, stage};
use sysext_fetch::store::Store;
use sysext_fetch::transport::Silent;
use sysext_formats::catalog::Image;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use test_repos::fault_server::FaultServer;
use test_repos::image::ImageSpec;
use test_repos::scratch::ScratchHost;
use url::Url;

pub(crate) struct Host {
    pub(crate) scratch: ScratchHost,
    pub(crate) root: Root,
    pub(crate) store: Store,
    pub(crate) extensions: BTreeMap<ExtensionName, Extension>,
    pub(crate) server: FaultServer,
    pub(crate) fetcher: Fetcher,
    pub(crate) bases: Vec<Url>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let scratch = ScratchHost::new();
        let root = Root::new(scratch.root().to_owned(), None);
        Self::with(scratch, root)
    }

    /// The host of another process.
    pub(crate) fn at(root: &Path) -> Self {
        Self::with(ScratchHost::new(), Root::new(root.to_owned(), None))
    }

    /// The machine itself; only in a sandbox.
    pub(crate) fn running() -> Self {
        Self::with(ScratchHost::new(), Root::new("/".into(), None))
    }

    fn with(scratch: ScratchHost, root: Root) -> Self {
        let store = Store::create(&root).unwrap();
        let server = FaultServer::empty();
        let patience = Patience {
            connect: Duration::from_secs(20),
            retries: 0,
            pause: |_| {},
            ..Patience::default()
        };
        let fetcher =
            Fetcher::with_patience(&Settings::default(), Network::Online, patience).unwrap();
        let bases = vec![server.url("images").parse().unwrap()];
        Self {
            scratch,
            root,
            store,
            extensions: BTreeMap::new(),
            server,
            fetcher,
            bases,
        }
    }

    /// Wants these extensions, and knows what is configured.
    pub(crate) fn configure(&mut self, names: &[&str]) {
        let directory = self.scratch.path("etc/sysext-fetch/extensions.d");
        std::fs::create_dir_all(&directory).unwrap();
        for name in names {
            std::fs::write(directory.join(format!("{name}.toml")), "enabled = true\n").unwrap();
        }
        self.extensions = Config::load(&self.root).unwrap().extensions;
    }

    /// The versions that the configuration says not to choose.
    pub(crate) fn skipped(&self, name: &str) -> Vec<String> {
        let config = Config::load(&self.root).unwrap();
        assert!(config.problems.is_empty(), "{:?}", config.problems);
        let extension = config.extensions.get(name).unwrap();
        extension
            .wish
            .skip
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Serves an image as it is.
    pub(crate) fn publish(&self, spec: &ImageSpec) -> Image {
        self.publish_bytes(spec, &spec.build())
    }

    /// Serves these bytes as the image that `spec` says it is.
    pub(crate) fn publish_bytes(&self, spec: &ImageSpec, bytes: &[u8]) -> Image {
        let image = image(spec, bytes, json!({}));
        self.server.put(&format!("images/{}", image.file), bytes);
        image
    }

    /// Serves an image as one zstd frame besides; `frame` is what that holds.
    pub(crate) fn publish_frame(&self, spec: &ImageSpec, frame: &[u8]) -> Image {
        let bytes = spec.build();
        let file = format!("{}_{}_noarch.raw.zst", spec.name(), spec.version_text());
        self.server.put(&format!("images/{file}"), frame);
        let transport = json!({
            "kind": "zstd", "file": file, "length": frame.len(), "sha256": Sha256Digest::of(frame),
        });
        let image = image(spec, &bytes, json!({"transports": [transport]}));
        self.server.put(&format!("images/{}", image.file), bytes);
        image
    }

    /// Serves an image with a patch from another one, and as one zstd frame besides.
    pub(crate) fn publish_patch(&self, spec: &ImageSpec, from: &Image, patch: &[u8]) -> Image {
        let bytes = spec.build();
        let frame = zstd_frame(&bytes);
        let name = format!("{}_{}_noarch.raw", spec.name(), spec.version_text());
        let file = format!("{name}.from-{}.relink-lzma", from.sha256.short(12));
        self.server.put(&format!("images/{file}"), patch);
        self.server
            .put(&format!("images/{name}.zst"), frame.as_slice());
        let transports = json!([
            {"kind": "zstd", "file": format!("{name}.zst"), "length": frame.len(), "sha256": Sha256Digest::of(&frame)},
            {"kind": "relink-lzma", "file": file, "length": patch.len(), "sha256": Sha256Digest::of(patch),
             "from": from.sha256},
        ]);
        let image = image(spec, &bytes, json!({"transports": transports}));
        self.server.put(&format!("images/{}", image.file), bytes);
        image
    }

    pub(crate) fn stage(&self, image: &Image) -> Result<StagedImage, StageError> {
        self.stage_from(image, "vendor")
    }

    pub(crate) fn stage_from(
        &self,
        image: &Image,
        catalog: &str,
    ) -> Result<StagedImage, StageError> {
        let wanted = Wanted {
            extension: &image.file.extension().unwrap(),
            catalog: &catalog.parse().unwrap(),
            image,
            bases: &self.bases,
            local: &[],
        };
        stage(&self.store, &self.fetcher, &wanted, &Silent)
    }

    /// The path of an image's file in the store.
    pub(crate) fn path(&self, image: &Image) -> std::path::PathBuf {
        let store = self.root.store().join("store");
        store
            .join(image.sha256.to_string())
            .join(image.file.as_str())
    }

    /// What is in a directory of the store; nothing where it is not there.
    pub(crate) fn list(&self, directory: &str) -> Vec<String> {
        list(&self.root.store().join(directory))
    }
}

pub(crate) fn list(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What an index says about an image.
pub(crate) fn image(spec: &ImageSpec, bytes: &[u8], more: Value) -> Image {
    let mut sysext = json!({
        "schema": 1, "class": "sysext", "version": spec.version_text(), "architecture": "_any",
        "extension_release": spec.release_fields(), "channels": ["stable"], "released": "2026-01-01T00:00:00Z",
        "image": {
            "container": "none", "filesystem": "squashfs", "compressed": spec.is_compressed(),
            "units": spec.units(), "setuid": spec.setuid_files(),
        },
    });
    let members = sysext.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    let target = json!({
        "length": bytes.len(), "hashes": {"sha256": Sha256Digest::of(bytes)}, "custom": {"sysext": sysext},
    });
    let file = format!("{}_{}_noarch.raw", spec.name(), spec.version_text());
    Image::read(
        file.parse().unwrap(),
        &serde_json::from_value(target).unwrap(),
    )
    .unwrap()
}

pub(crate) fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// An image of some size that zstd makes smaller.
pub(crate) fn large(version: &str) -> ImageSpec {
    ImageSpec::new("k3s")
        .version(version)
        .padding(700_000, 1)
        .file(
            "usr/share/k3s/repeated",
            0o644,
            b"0123456789".repeat(60_000),
        )
}
