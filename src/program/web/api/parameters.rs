//! Parameters of a query or a form (`application/x-www-form-urlencoded`).

use super::reply::ApiError;

/// The maximum number of parameters of one request.
const MAX_PARAMETERS: usize = 32;

/// Decoded names and values, in order.
pub(in crate::program::web) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses several texts. Rejects a parameter that is not `known`, because it may have been intended to restrict the request.
    pub(in crate::program::web) fn read(texts: &[&str], known: &[&str]) -> Result<Self, ApiError> {
        let mut all = Vec::new();
        for pair in texts.iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&name.as_str()) {
                return Err(ApiError::bad_data(format!("unknown parameter {name:?}; supported: {}", known.join(", "))));
            }
            if all.len() >= MAX_PARAMETERS {
                return Err(ApiError::bad_data(format!("too many parameters; at most {MAX_PARAMETERS} allowed")));
            }
            all.push((name, value));
        }
        Ok(Self(all))
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a name.
    pub(in crate::program::web) fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }
}

/// Decodes `+` and percent-encoded bytes.
fn decoded(text: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let number = digit(rest.next()).and_then(|high| Some(high * 16 + digit(rest.next())?));
                let byte = number.and_then(|number| u8::try_from(number).ok());
                byte.ok_or_else(|| {
                    ApiError::bad_data("invalid percent-encoding: % must be followed by two hexadecimal digits; a literal % is %25")
                })?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| ApiError::bad_data("a parameter is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_forms_are_decoded() {
        let read = |texts: &[&str]| Parameters::read(texts, &["match[]", "match"]);
        let parameters = read(&["match[]=a%7Bb%3D%22c+d%22%7D&&match%5B%5D=%C3%A9", "match=x=y"]).expect("good");
        assert_eq!(parameters.all("match[]").collect::<Vec<_>>(), ["a{b=\"c d\"}", "é"]);
        assert_eq!((parameters.last("match"), parameters.last("other")), (Some("x=y"), None));
        for (bad, why) in [("match=%", "hexadecimal"), ("match=%4", "hexadecimal"), ("match=%zz", "hexadecimal"), ("match=%ff", "UTF-8")] {
            assert!(read(&[bad]).err().expect(bad).text.contains(why), "{bad}");
        }
        assert!(read(&["start=1"]).err().expect("unknown").text.contains("unknown parameter \"start\"; supported: match[], match"));
        assert!(read(&["match=a&".repeat(33).as_str()]).err().expect("too many").text.contains("at most 32"));
    }
}
