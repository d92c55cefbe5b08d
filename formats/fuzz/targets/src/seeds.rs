//! What the fuzzer starts from, and what ordinary tests always replay: real documents, images and files, made here of the
//! workspace's own fixtures, so that nothing is kept twice.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use sysext_formats::sign::SecretKey;
use sysext_verity::{Layout, Parameters};
use test_repos::image::ImageSpec;
use test_repos::scenario;

use crate::genuine::Genuine;
use crate::keys::{MESSAGE, PASSPHRASE};
use crate::{elf, gpt_disk, patch, workflow};

/// The inputs that `target` starts from.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match target {
        "json" => texts(&[
            r#"{"a":[1,-2,null,true,"\u0061\n"],"b":{"c":18446744073709551615}}"#,
            r#"{"a":1,"a":1.5}"#,
            "[[[[[[]]]]]] ",
        ]),
        "envelope" => documents(),
        "root" | "timestamp" | "snapshot" => payloads(target),
        "targets" => {
            let mut seeds = payloads(target);
            seeds.push(DELEGATIONS.as_bytes().to_vec());
            seeds
        }
        "index" => payloads("targets"),
        "version" => texts(&[
            "1.0~rc1\n1.0\n1.0^git1",
            "1.31.5+k3s1\n1.31.05+k3s1\nv1.31",
            "1.0-1\n1_0\n~",
        ]),
        "names" => texts(&[
            "k3s\nk3s-*",
            "k3s_1.31.5.k3s1_x86-64.raw\n..",
            "a/b%2e\n../\u{e9}",
        ]),
        "release" => texts(&[
            "ID=debian\nVERSION_ID=\"13\"\nID_LIKE='a b'\n\0ID=_any\nARCHITECTURE=x86-64\n",
            "ID=sles\nSYSEXT_LEVEL=1.0\0# c\nID=sles\nSYSEXT_LEVEL=\"1.0\"\nSYSEXT_SCOPE=\"system initrd\"\nX=\\a\\\nb",
        ]),
        "descriptor" => texts(&[
            DESCRIPTOR,
            "schema = 1\nid = 'a'\nurl = ['file:///srv/a']\nimages-url = 'http://a/'\nroot-version = 3\n",
        ]),
        "config" => vec![CONFIG.join("\0").into_bytes()],
        "beside" => beside(),
        "publisher_config" => texts(&[
            PUBLISHER,
            &PUBLISHER.replace("[extension.k3s]", "[extension.\"a.b\"]"),
        ]),
        "elf" => vec![elf::program()],
        "http" => texts(&[
            "GET /metadata/1.root.json HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a%20b?x HTTP/1.1\r\nRange: bytes=-3\r\n\r\n",
            "GET http://a/images/x.raw HTTP/1.1\r\nrange: bytes=1-5\r\nIf-Range: \"a\"\r\nConnection: close\r\n\r\n",
            "PUT /../x HTTP/1.0\r\nContent-Length: 3\r\nIf-None-Match: *\r\n\r\nabc",
        ]),
        "key" => keys()
            .into_iter()
            .map(|(key, signature)| format!("{key}\0{signature}").into_bytes())
            .collect(),
        "key_file" => key_files(),
        "zstd" => frames(),
        "patch" => patches(),
        "gzip" => {
            let mut encoder = flate2::GzBuilder::new()
                .filename("name")
                .extra(*b"extra")
                .write(Vec::new(), flate2::Compression::default());
            encoder.write_all(DESCRIPTOR.as_bytes()).unwrap();
            vec![encoder.finish().unwrap()]
        }
        "headers" => texts(&[
            "bytes 5-9/10",
            "bytes 5-9/*",
            "120",
            "Mon, 23 Nov 2026 10:00:07 GMT\nMon, 23 Nov 2026 10:00:00 GMT",
        ]),
        "proposal" => proposals(),
        "squashfs" | "erofs" | "ext4" => images(target),
        "gpt" => vec![gpt_disk::disk(&read_fixture("squashfs-gzip.raw"))],
        "image" => [images("squashfs"), images("erofs"), of("gpt")].concat(),
        "workflow" => workflow_programs(),
        other => panic!("there is no target {other}"),
    }
}

const DESCRIPTOR: &str = "schema = 1\nid = \"k3s\"\ntitle = \"K3s\"\nurl = [\"https://sysext.k3s.example\"]\nextensions = [\"k3s-*\", \"k3s\"]\nroot-sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n";

const PUBLISHER: &str = "# mine\nid = \"k3s\" # c\ntitle = ''\nurl = [\"https://a.example/\"]\nlocation = \"public\"\nprovides = [\"k3s-*\"]\nhashed-names = \"none\"\ntransports = [\"zstd\"]\nzstd-level = 3\n\n[keys]\nrelease = \"env:R\"\nonline = [\"cmd:sign -k 1\", \"file:o.pem\"]\nroot = \"\"\n[expires]\nroot = \"8w\"\ntimestamp = \"36h\"\n\n[extension.k3s] # d\nkey = []\nsummary = \"old\" # e\nchannels = { stable = \"yes\" }\n";

const CONFIG: [&str; 6] = [
    "# c\nactivation = \"etc\"\nrefresh = \"if-merged\"\nkeep = 2\nmin-rate = \"2 kB/s over 30 s\"\n",
    "parallel = 2\nproxy = \"\"\napply = \"live\"\n",
    DESCRIPTOR,
    "title = \"mine\"\n",
    "# wanted\ncatalog = \"k3s\"\nchannel = \"stable\"\nversion = \"1.31.*\"\nrestart = [\"k3s.service\"]\nskip = [\"1.31.4\"]\nmin-age = \"3d\"\n",
    "hold = true\non-incompatible = \"block\"\nenabled = false\n",
];

const DELEGATIONS: &str = r#"{"_type":"targets","spec_version":"1.0.34","version":1,"expires":"2030-01-01T00:00:00Z","targets":{"a/b_1.raw":{"length":1,"hashes":{"sha256":"00"},"x":{}}},"delegations":{"keys":{},"roles":[{"name":"a","keyids":["k","k"],"threshold":1,"terminating":true,"paths":["*/?_*.raw","a*"],"x":1},{"name":"b","keyids":[],"threshold":2,"terminating":false,"path_hash_prefixes":["0a"]}]}}"#;

/// Genuine documents, and what every scenario serves that is not one.
fn documents() -> Vec<Vec<u8>> {
    let mut found = Genuine::get().documents.clone();
    for scenario in scenario::all() {
        found.extend(
            scenario
                .served
                .into_iter()
                .filter(|(path, bytes)| path.starts_with("metadata/") && bytes.len() < 8192)
                .map(|(_, bytes)| bytes),
        );
    }
    found.sort();
    found.dedup();
    found
}

fn payloads(kind: &str) -> Vec<Vec<u8>> {
    let documents = Genuine::get().documents.iter();
    let signed =
        documents.map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap()["signed"].take());
    signed
        .filter(|signed| signed["_type"] == kind)
        .map(|signed| signed.to_string().into_bytes())
        .collect()
}

/// Each document alone, and the last ones together.
fn proposals() -> Vec<Vec<u8>> {
    let documents = Genuine::get().documents.iter();
    let documents = documents.map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap());
    let (mut together, mut proposals) = (serde_json::Map::new(), Vec::new());
    let root = String::from_utf8(Genuine::get().root.clone()).unwrap();
    let proposal = |documents: Value| {
        let published = serde_json::json!({"1.root.json": root});
        serde_json::json!({
            "schema": 1, "catalog": "k3s", "created": scenario::NOW, "documents": documents, "published": published,
        })
        .to_string()
        .into_bytes()
    };
    for document in documents {
        let signed = &document["signed"];
        let role = match (&signed["_type"], &signed["x-sysext"]["role"]) {
            (Value::String(kind), Value::String(role)) if kind == "targets" => role.clone(),
            (Value::String(kind), _) if kind == "root" => kind.clone(),
            _ => continue,
        };
        proposals.push(proposal(serde_json::json!({&role: document})));
        together.insert(role, document);
    }
    proposals.push(proposal(together.into()));
    proposals
}

fn beside() -> Vec<Vec<u8>> {
    let manifest = r#"{"manifest_version":1,"config":{"name":"tool","version":"2.0","architecture":"x86-64"},"packages":[]}"#;
    let mut encoder = flate2::write::GzEncoder::new(vec![b'g'], flate2::Compression::default());
    encoder.write_all(manifest.as_bytes()).unwrap();
    vec![
        br#"j{"schema":1,"name":"tool","version":"1.5","architecture":"_any","length":4096}"#
            .to_vec(),
        br#"j{"schema":1,"name":"tool","version":"1.5+b"}"#.to_vec(),
        br#"j[{"material":1.5}]"#.to_vec(),
        format!("m{manifest}").into_bytes(),
        encoder.finish().unwrap(),
    ]
}

/// Keys as JSON, each with its signature over the message of the target.
pub(crate) fn keys() -> Vec<(Value, String)> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = data_encoding::HEXLOWER.encode(key.verifying_key().as_bytes());
    let signature = data_encoding::HEXLOWER.encode(&key.sign(MESSAGE).to_bytes());
    let pem = |name: &str, text: &str| serde_json::json!({"keytype": name, "scheme": if name == "rsa" { "rsassa-pss-sha256" } else { "ecdsa-sha2-nistp256" }, "keyval": {"public": text}});
    vec![
        (
            serde_json::json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}, "x": []}),
            signature,
        ),
        (
            pem(
                "ecdsa",
                include_str!("../../../tests/vectors/keys/p256.pub.pem"),
            ),
            include_str!("../../../tests/vectors/keys/p256.sig")
                .trim()
                .to_owned(),
        ),
        (
            pem(
                "rsa",
                include_str!("../../../tests/vectors/keys/rsa.pub.pem"),
            ),
            include_str!("../../../tests/vectors/keys/rsa.sig")
                .trim()
                .to_owned(),
        ),
    ]
}

fn key_files() -> Vec<Vec<u8>> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let plain = SecretKey::from_seed(&[7; 32]).to_pem(None).unwrap();
    // Cheap to decrypt, so that the fuzzer gets through many of them.
    let params = pkcs8::pkcs5::scrypt::Params::new(1, 8, 1).unwrap();
    let parameters =
        pkcs8::pkcs5::pbes2::Parameters::generate_scrypt_aes256cbc(params, &[1; 16], [2; 16])
            .unwrap();
    let info = ed25519_dalek::pkcs8::KeypairBytes {
        secret_key: [7; 32],
        public_key: None,
    };
    let document = ed25519_dalek::pkcs8::EncodePrivateKey::to_pkcs8_der(&info).unwrap();
    let info = pkcs8::PrivateKeyInfoRef::try_from(document.as_bytes()).unwrap();
    let encrypted = info.encrypt_with_params(parameters, PASSPHRASE).unwrap();
    let public = key
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    vec![
        plain.as_bytes().to_vec(),
        encrypted
            .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
            .unwrap()
            .as_bytes()
            .to_vec(),
        public.into_bytes(),
    ]
}

fn frames() -> Vec<Vec<u8>> {
    let content = DESCRIPTOR.repeat(20).into_bytes();
    let frame = |content: &[u8], length: u16| {
        [
            &length.to_le_bytes()[..],
            &zstd::encode_all(content, 9).unwrap(),
        ]
        .concat()
    };
    let length = content.len() as u16;
    vec![
        frame(&content, length),
        frame(&content, length - 1),
        frame(&content, length + 1),
        // A bomb: a megabyte of nothing.
        frame(&vec![0; 1 << 20], 4096),
        [frame(&content, length), b"behind".to_vec()].concat(),
    ]
}

/// Patches with programs, moves and words in them, and one whose streams are longer than they say.
fn patches() -> Vec<Vec<u8>> {
    let old = patch::old();
    let mut moved = old[3_000..].to_vec();
    moved.splice(0..0, old[..2_000].iter().copied());
    for at in (100..moved.len()).step_by(97) {
        moved[at] ^= 3;
    }
    let mut patches: Vec<_> = [&old, &moved, &DESCRIPTOR.as_bytes().to_vec()]
        .into_iter()
        .map(|new| sysext_patch::make::make(&old, new, None).unwrap())
        .collect();
    // The hash tree of two blocks is made of them.
    let layout = Layout {
        parameters: Parameters::new(512, 512, 2, b"salt").unwrap(),
        data: 100,
        tree: 3_000,
    };
    let mut disk = moved.clone();
    disk.splice(3_000..3_000, layout.tree_of(&moved).unwrap());
    patches.push(sysext_patch::make::make(&old, &disk, Some(&layout)).unwrap());
    patches.extend(streams());
    let mut bomb = patches[1].clone();
    bomb[80..88].copy_from_slice(&0x7fff_ffff_u64.to_le_bytes());
    patches.push(bomb);
    patches
}

/// What patches unpack to: one move over everything with a word at its end, two with a tree behind them, and one within
/// programs of which every byte may be an address.
fn streams() -> [Vec<u8>; 3] {
    let length = patch::old().len();
    let number = |number: usize| -> Vec<u8> {
        let groups = [
            number & 0x7f | 0x80,
            number >> 7 & 0x7f | 0x80,
            number >> 14,
        ];
        groups.map(|group| group as u8).to_vec()
    };
    let fields = |byte: u8| vec![byte; 32_769];
    let join = |parts: &[&[u8]]| parts.concat();
    let one_move = [number(1), number(0), number(length), number(0)].concat();
    let none = [0, 0, 0];
    let plain = join(&[&none, &fields(0), &one_move]);
    let words = patch::streams(
        length as u32,
        [&plain, &number(length - 4), &[1, 2, 3, 4], b""],
    );
    // Half of it, and the other half before it; blocks of 512 bytes from the tenth on.
    let half = length / 2;
    let rest = length - half;
    let tree = join(&[&[1, 9, 9, 2, 1, 7, 10], &number(100)]);
    let back = number(2 * (half + rest) - 1);
    let turned = [number(2), number(0), number(5), number(rest), number(half)];
    let turned = join(&[&turned.concat(), &number(2 * half), &back]);
    let plan = join(&[&tree, &[0, 0], &fields(0), &turned]);
    let with_tree = patch::streams((length + 5 + 512) as u32, [&plan, b"", b"", b"fresh"]);
    let piece = join(&[&number(0), &number(half), &number(4096), &number(9)]);
    let second = join(&[&number(3), &number(rest - 3), &number(4096 + half), &[0]]);
    let program = join(&[&[1, 2], &piece, &second]);
    let plan = join(&[&[0], &program, &program, &fields(0xff), &one_move]);
    [
        words,
        with_tree,
        patch::streams(length as u32, [&plan, b"", b"", b""]),
    ]
}

fn images(filesystem: &str) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.starts_with(filesystem) && name.contains(".raw"));
    names.sort();
    let mut images: Vec<_> = names.iter().map(|name| read_fixture(name)).collect();
    if filesystem == "squashfs" {
        images.push(
            ImageSpec::new("k3s")
                .setuid("usr/bin/x")
                .link("usr/bin/y", "x")
                .compressed()
                .build(),
        );
    }
    images
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/tests/fixtures")
}

fn read_fixture(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(fixtures().join(name)).unwrap();
    if !name.ends_with(".zst") {
        return bytes;
    }
    let mut raw = Vec::new();
    zstd::Decoder::new(bytes.as_slice())
        .unwrap()
        .read_to_end(&mut raw)
        .unwrap();
    raw
}

/// Every scenario after the honest state and after its own, and the honest one with each kind of lie.
fn workflow_programs() -> Vec<Vec<u8>> {
    let count = u8::try_from(workflow::scenarios()).unwrap();
    let mut programs: Vec<_> = (0..count)
        .flat_map(|number| [vec![0, number], vec![number, number]])
        .collect();
    programs.push(vec![
        0, 0, 0, 9, 40, 0, 1, 3, 0, 0, 2, 5, 128, b'7', 3, 7, 2, 0, b'{', b'}',
    ]);
    programs
}
