//! New numbers for what faults and actions name, when something they might name has gone. It knows no kind: it finds the numbers that
//! name something by changing each in turn and asking the value what it names. So a new kind needs nothing here.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// No index of any plan.
const PROBE: usize = 1_000_000_007;

/// The value with new numbers; `None` when it cannot be without what has gone.
pub(super) fn renumber<T: Serialize + DeserializeOwned>(
    value: &T,
    names: impl Fn(&T) -> Vec<usize>,
    new: impl Fn(usize) -> Option<usize>,
) -> Option<T> {
    if names(value).is_empty() {
        return serde_json::from_value(serde_json::to_value(value).ok()?).ok();
    }
    let mut tree = serde_json::to_value(value).ok()?;
    let mut paths = Vec::new();
    numbers(&tree, &mut String::new(), &mut paths);
    // From the back, so that what is taken out of a list moves nothing that is still to come.
    for path in paths.iter().rev() {
        let mut probe = serde_json::to_value(value).ok()?;
        let index = probe.pointer(path).and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok())?;
        *probe.pointer_mut(path)? = PROBE.into();
        let named = serde_json::from_value::<T>(probe).is_ok_and(|probe| names(&probe).contains(&PROBE));
        if !named {
            continue;
        }
        match new(index) {
            Some(index) => *tree.pointer_mut(path)? = index.into(),
            None => {
                let (list, at) = path.rsplit_once('/')?;
                tree.pointer_mut(list)?.as_array_mut()?.remove(at.parse().ok()?);
            }
        }
    }
    serde_json::from_value(tree).ok()
}

/// Paths of all whole numbers.
fn numbers(tree: &Value, path: &mut String, found: &mut Vec<String>) {
    let mut inner = |key: String, value: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key);
        numbers(value, path, found);
        path.truncate(length);
    };
    match tree {
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| inner(index.to_string(), value)),
        Value::Object(map) => map.iter().for_each(|(key, value)| inner(key.clone(), value)),
        Value::Number(number) if number.is_u64() => found.push(path.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
