//! Expands `${NAME}` and `${NAME:-default}` in a text. Callers pass a function that returns the values.

/// Expands every `${NAME}`. `$$` becomes `$`, and any other `$` is unchanged. A variable that is unset or empty is replaced by its
/// default. An unset variable without a default is an error.
pub(super) fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('$') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let (reference, after) = inner.split_once('}').ok_or_else(|| format!("`{text}`: a `${{` without its `}}`"))?;
            out.push_str(&value(reference, environment)?);
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn value(reference: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
    if !crate::name::is_legacy_label(name) {
        return Err(format!("`${{{reference}}}` is not the name of a variable; write ${{NAME}} or ${{NAME:-default}}"));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the environment variable {name} is not set; set it, or write ${{{name}:-default}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let environment = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expanded) in [
            ("plain", "plain"),
            ("${A}", "one"),
            ("x-${A}-${B:-two}", "x-one-two"),
            ("${EMPTY:-d}${EMPTY}", "d"),
            ("${B:-}", ""),
            ("$$ $A $", "$ $A $"),
            ("$${A}", "${A}"),
        ] {
            assert_eq!(expand(text, &environment).as_deref(), Ok(expanded), "{text}");
        }
        assert!(expand("${B}", &environment).unwrap_err().contains("variable B is not set"));
        assert!(expand("${A", &environment).is_err() && expand("${}", &environment).is_err() && expand("${A-x}", &environment).is_err());
    }
}
