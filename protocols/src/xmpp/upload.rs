//! Where to put a file (XEP-0363). The file itself goes over HTTP; what is said here is where, and until when.

use super::client::Client;
use super::data;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;
use crate::session::SessionConfig;
use crate::slot::{MEDIA_UNKNOWN, SLOT_SECONDS, Slot, clean_media, clean_name};

/// What clients look for, where files may be put (section 3).
pub(crate) fn disco_form(config: &SessionConfig) -> Option<Element> {
    let upload = config.upload.as_ref()?;
    let bytes_max = Element::new("field", ns::DATA).attr("var", "max-file-size");
    let bytes_max = bytes_max.text_child("value", upload.bytes_max.to_string());
    Some(data::form("result", ns::UPLOAD).child(bytes_max))
}

/// A request for a slot (section 4).
pub(crate) fn on_request(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    let Some(upload) = link.config.upload.clone() else { return Err(StanzaError::SERVICE_UNAVAILABLE) };
    let name = request.payload.get_attr("filename").filter(|name| !name.is_empty()).ok_or(StanzaError::BAD_REQUEST)?;
    let size = request.payload.get_attr("size").and_then(|size| size.parse::<u64>().ok()).filter(|size| *size > 0);
    let size = size.ok_or(StanzaError::BAD_REQUEST)?;
    if size > upload.bytes_max {
        link.reply(&too_large(&request, upload.bytes_max));
        return Ok(());
    }
    let random = link.random();
    let slot = Slot {
        id: random.first_chunk().copied().unwrap_or_default(),
        name: clean_name(name),
        account: client.account.clone(),
        size,
        media: clean_media(request.payload.get_attr("content-type").unwrap_or(MEDIA_UNKNOWN)),
        until_s: link.now.wall_ms / 1000 + SLOT_SECONDS,
    };
    let put = Element::new("put", ns::UPLOAD).attr("url", slot.put_url(&upload));
    let get = Element::new("get", ns::UPLOAD).attr("url", slot.get_url(&upload));
    let answer = Element::new("slot", ns::UPLOAD).child(put).child(get);
    link.reply(&request.asked.result(Some(answer)));
    Ok(())
}

/// Section 5.
fn too_large(request: &Request, bytes_max: u64) -> Element {
    let error = StanzaError::NOT_ACCEPTABLE.text(format!("Files may have {bytes_max} bytes"));
    let limit = Element::new("file-too-large", ns::UPLOAD).text_child("max-file-size", bytes_max.to_string());
    request.asked.error_element(error.to_element().child(limit))
}
