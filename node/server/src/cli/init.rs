//! `lavina init DOMAIN --region R --zone Z`: a new mesh and its first node.

use super::Out;
use super::place::NewNode;
use crate::config::is_domain;
use crate::identity::{Identity, id_of};
use anyhow::Result;
use clap::Args;
use lavina_crdt::mesh::{Admission, Verdict};
use lavina_quic::identity::peer_id;
use serde_json::json;

/// Make a new mesh and its first node
#[derive(Args)]
pub(super) struct Init {
    /// Domain of the mesh: accounts are NAME@DOMAIN, rooms NAME@rooms.DOMAIN
    #[arg(value_parser = domain)]
    domain: String,
    #[command(flatten)]
    node: NewNode,
}

fn domain(text: &str) -> Result<String, String> {
    let domain = text.to_ascii_lowercase();
    if is_domain(&domain) { Ok(domain) } else { Err("a domain name such as chat.example is expected".to_owned()) }
}

impl Init {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let data = self.node.data()?;
        let name = self.node.name.clone().unwrap_or_else(|| format!("{}-1", self.node.region));
        let config = self.node.write(&data, &self.domain, &self.domain, &name, true)?;
        let mut identity = Identity::create(&data)?;
        let me = id_of(&identity.key);
        if let Some(root) = &identity.root {
            identity.admissions.push(Admission {
                node: me,
                name,
                place: self.node.place(),
                addresses: config.advertise.clone(),
                signature: Verdict::Admit.sign(root, &identity.mesh.id, me),
            });
            identity.save_mesh(&data)?;
        }
        let file = self.node.file();
        let value =
            json!({ "config": file, "data": config.data, "id": peer_id(me), "mesh_advertise": config.advertise });
        out.say(&value, || {
            let mut text = format!(
                "Made {} of {} in {}.\nNode {}.\n\
                 Keep {} safe: who has it can admit nodes.\n\
                 Next: lavina serve --config {}",
                config.name,
                config.domain,
                file.display(),
                peer_id(me),
                data.root_key().display(),
                file.display(),
            );
            if config.advertise.is_empty() {
                text.push_str("\nOther nodes cannot dial this one: set `mesh-advertise` in the configuration.");
            }
            text
        })
    }
}
