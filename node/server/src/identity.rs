//! What a node is, on disk: its key, the mesh it belongs to, the mesh's root key where it is kept, and the certificate for clients.
//!
//! Secrets are one line of hexadecimal digits in a file that only its owner reads.

use anyhow::{Context, Result, bail};
use ed25519_dalek::SigningKey;
use lavina_core::node::MeshIdentity;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::Admission;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Names of the files in a data directory.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The files under a directory.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the directory, for its owner only.
    pub(crate) fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("cannot make the data directory {}", self.0.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The node's key.
    pub(crate) fn node_key(&self) -> PathBuf {
        self.file("node.key")
    }

    /// The mesh's root key.
    pub(crate) fn root_key(&self) -> PathBuf {
        self.file("mesh-root.key")
    }

    fn mesh(&self) -> PathBuf {
        self.file("mesh.json")
    }

    /// The certificate for clients and its key, as `init` makes them.
    pub(crate) fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.file("client-cert.pem"), self.file("client-key.pem"))
    }

    /// The folder of the files that people share.
    pub(crate) fn files(&self) -> PathBuf {
        self.file("files")
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.file("store.redb")
    }

    /// The admin interface's token.
    pub(crate) fn admin_token(&self) -> PathBuf {
        self.file("admin.token")
    }

    /// The join tickets made here.
    pub(crate) fn tickets(&self) -> PathBuf {
        self.file("tickets.json")
    }
}

/// Random bytes of the quality of keys.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if provider.secure_random.fill(&mut bytes).is_err() {
        // Going on with guessable keys would be worse than ending.
        std::process::abort();
    }
    bytes
}

/// A random number.
pub(crate) fn random_u64() -> u64 {
    u64::from_be_bytes(random())
}

/// Writes a file so that it is there whole or not at all, for its owner only.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        if let Some(parent) = path.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
        Ok(())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes from hexadecimal digits.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.trim().as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn read_key(path: &Path) -> Result<SigningKey> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    match unhex::<32>(&text) {
        Some(seed) => Ok(SigningKey::from_bytes(&seed)),
        None => bail!("{} holds no key: one line of 64 hexadecimal digits is expected", path.display()),
    }
}

fn make_key(path: &Path) -> Result<SigningKey> {
    let seed = random::<32>();
    write_secret(path, &format!("{}\n", hex(&seed)))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The id of a key.
pub(crate) fn id_of(key: &SigningKey) -> NodeId {
    NodeId(key.verifying_key().to_bytes())
}

/// The mesh's file.
#[derive(Serialize, Deserialize)]
struct MeshFile {
    id: String,
    root: String,
    /// Who was admitted when this node joined, itself too.
    #[serde(default)]
    admissions: Vec<Admission>,
}

/// A node's identity.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Its key.
    pub(crate) key: SigningKey,
    /// Its mesh.
    pub(crate) mesh: MeshIdentity,
    /// The mesh's root key, on the node that keeps it.
    pub(crate) root: Option<SigningKey>,
    /// Who was admitted when it joined.
    pub(crate) admissions: Vec<Admission>,
}

impl Identity {
    /// Makes a new node and a new mesh.
    pub(crate) fn create(data: &DataDir) -> Result<Self> {
        let root = make_key(&data.root_key())?;
        let mesh = MeshIdentity { id: random(), root: id_of(&root) };
        let key = make_key(&data.node_key())?;
        let identity = Self { key, mesh, root: Some(root), admissions: Vec::new() };
        identity.save_mesh(data)?;
        Ok(identity)
    }

    /// Makes a new node's key, or takes the one that is there from an attempt before.
    pub(crate) fn node_key(data: &DataDir) -> Result<SigningKey> {
        if data.node_key().exists() { read_key(&data.node_key()) } else { make_key(&data.node_key()) }
    }

    /// Writes down which mesh it belongs to and who was there. Its presence makes the directory a node.
    pub(crate) fn save_mesh(&self, data: &DataDir) -> Result<()> {
        let file =
            MeshFile { id: hex(&self.mesh.id), root: hex(&self.mesh.root.0), admissions: self.admissions.clone() };
        write_secret(&data.mesh(), &format!("{}\n", serde_json::to_string(&file)?))
    }

    /// Whether a data directory holds a node.
    pub(crate) fn exists(data: &DataDir) -> bool {
        data.mesh().exists()
    }

    /// Reads a node.
    pub(crate) fn load(data: &DataDir) -> Result<Self> {
        let path = data.mesh();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: MeshFile = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let (Some(id), Some(root)) = (unhex(&file.id), unhex(&file.root)) else {
            bail!("{} is damaged: id and root are hexadecimal digits", path.display());
        };
        let mesh = MeshIdentity { id, root: NodeId(root) };
        let root = if data.root_key().exists() { Some(read_key(&data.root_key())?) } else { None };
        if root.as_ref().is_some_and(|root| id_of(root) != mesh.root) {
            bail!("{} is not the root key of this mesh", data.root_key().display());
        }
        Ok(Self { key: read_key(&data.node_key())?, mesh, root, admissions: file.admissions })
    }
}

/// Makes the self-signed certificate for clients.
pub(crate) fn make_certificate(data: &DataDir, domain: &str, rooms_domain: &str) -> Result<()> {
    let mut names = vec![domain.to_owned(), rooms_domain.to_owned()];
    if domain != "localhost" {
        names.push("localhost".to_owned());
    }
    let mut params = rcgen::CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, domain);
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let (certificate_path, key_path) = data.certificate();
    write_secret(&key_path, &key.serialize_pem())?;
    write_secret(&certificate_path, &certificate.pem())
}
