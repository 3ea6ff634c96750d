//! Data forms (XEP-0004).

use super::element::Element;
use super::ns;

/// What the answerer of a form did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Filled it in.
    Submit,
    /// Wants nothing of it.
    Cancel,
}

/// A form of a kind (`form`, `result`), with its FORM_TYPE (XEP-0068).
pub(crate) fn form(kind: &str, form_type: &str) -> Element {
    let hidden =
        Element::new("field", ns::DATA).attr("var", "FORM_TYPE").attr("type", "hidden").text_child("value", form_type);
    Element::new("x", ns::DATA).attr("type", kind).child(hidden)
}

/// A field with at most one value.
pub(crate) fn field(var: &str, kind: &str, label: &str, value: &str) -> Element {
    let field = Element::new("field", ns::DATA).attr("var", var).attr("type", kind);
    let field = if label.is_empty() { field } else { field.attr("label", label) };
    let value = Element::new("value", ns::DATA).text(value);
    field.child(value)
}

/// A field with any number of values.
pub(crate) fn many(var: &str, kind: &str, label: &str, values: impl Iterator<Item = String>) -> Element {
    let values = values.map(|value| Element::new("value", ns::DATA).text(value));
    Element::new("field", ns::DATA).attr("var", var).attr("type", kind).attr("label", label).children(values)
}

/// A field with one of some values.
pub(crate) fn choice(var: &str, label: &str, value: &str, options: &[&str]) -> Element {
    let options = options
        .iter()
        .map(|option| Element::new("option", ns::DATA).attr("label", *option).text_child("value", *option));
    field(var, "list-single", label, value).children(options)
}

/// A yes-or-no field.
pub(crate) fn boolean(var: &str, label: &str, value: bool) -> Element {
    field(var, "boolean", label, if value { "1" } else { "0" })
}

/// The form in an element, and what its answerer did.
pub(crate) fn answer(parent: &Element) -> Option<(Answer, &Element)> {
    let form = parent.get("x", ns::DATA)?;
    match form.get_attr("type") {
        Some("submit") => Some((Answer::Submit, form)),
        Some("cancel") => Some((Answer::Cancel, form)),
        Some(_) | None => None,
    }
}

/// Variable and values of all fields but FORM_TYPE.
pub(crate) fn fields(form: &Element) -> impl Iterator<Item = (&str, Vec<String>)> {
    form.elements().filter(|field| field.is("field", ns::DATA)).filter_map(|field| {
        let var = field.get_attr("var").filter(|var| *var != "FORM_TYPE")?;
        let values = field.elements().filter(|value| value.is("value", ns::DATA)).map(Element::content).collect();
        Some((var, values))
    })
}

/// A boolean as section 3.3 writes it.
pub(crate) fn as_boolean(values: &[String]) -> Option<bool> {
    match values.first().map(String::as_str) {
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        Some(_) | None => None,
    }
}
