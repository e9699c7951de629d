//! Keyset paging: a cursor names the last row shown. Any text of its length is a cursor, so that none is ever wrong,
//! only elsewhere; it gives no rights.

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use super::reading::Reading;
use crate::case::Moment;
use crate::desk::DeskError;

const USUAL: i64 = 50;
const MOST: i64 = 200;

/// A page of a list; the header `Link` leads to the next.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
}

/// Rows found, and the place of the last one if there are more.
pub struct Found<T> {
    pub items: Vec<T>,
    pub next: Option<Place>,
}

/// A place in a list: what it is ordered by, then an identity, then a number where identities have many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub order: i64,
    pub id: [u8; 16],
    /// 48 bits of it are kept: any UID.
    pub number: i64,
}

impl Place {
    #[must_use]
    pub fn at(at: Moment, id: &[u8; 16]) -> Self {
        Self { order: at.micros(), id: *id, number: 0 }
    }
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment::from_micros(self.order)
    }

    fn cursor(&self) -> String {
        let [_, _, number @ ..] = self.number.to_be_bytes();
        let mut bytes = self.order.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&number);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(cursor: &str) -> Result<Self, Problem> {
        let wrong = || Problem::bad_request("this cursor is none of ours; take it from the header Link");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
        let (order, rest) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let (id, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let [a, b, c, d, e, f] = rest.try_into().map_err(|_| wrong())?;
        let number = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        Ok(Self { order: i64::from_be_bytes(*order), id: *id, number })
    }
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    pub cursor: Option<String>,
}

/// How many rows were asked for, after which.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    limit: i64,
    after: Option<Place>,
}

impl Range {
    pub fn of(limit: Option<i64>, cursor: Option<&str>) -> Result<Self, Problem> {
        match limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(Self { limit, after: cursor.map(Place::read).transpose()? }),
            _ => Err(Problem::bad_request("limit is a number from 1 to 200")),
        }
    }

    /// Collects items that may be shown from a list that also holds others, so that what is hidden leaves no gap by
    /// which it could be counted. `fetch` gives rows after a place.
    pub fn collect<R, T>(
        self,
        reading: &mut Reading<'_>,
        mut fetch: impl FnMut(&mut Reading<'_>, Option<Place>, i64) -> Result<Vec<R>, DeskError>,
        place_of: impl Fn(&R) -> Place,
        mut show: impl FnMut(&mut Reading<'_>, R) -> Result<Option<T>, DeskError>,
    ) -> Result<Found<T>, DeskError> {
        let wanted = usize::try_from(self.limit).unwrap_or(0);
        let (mut items, mut last, mut after) = (Vec::new(), None, self.after);
        loop {
            let rows = fetch(reading, after, self.limit + 1)?;
            let complete = rows.len() <= wanted;
            for row in rows {
                let place = place_of(&row);
                after = Some(place);
                if items.len() == wanted {
                    // Whether there is more is known only from a row that may be shown; this one is not given out.
                    let shown = reading.aside(|reading| show(reading, row))?.is_some();
                    if shown {
                        return Ok(Found { items, next: last });
                    }
                } else if let Some(item) = show(reading, row)? {
                    last = Some(place);
                    items.push(item);
                }
            }
            if complete {
                return Ok(Found { items, next: None });
            }
        }
    }
}

/// Answers with a page and the link to the next one.
pub fn answer<T: Serialize>(request: &HttpRequest, found: Found<T>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = found.next {
        let kept = request.query_string().split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty() && name != "cursor"
        });
        let cursor = format!("cursor={}", next.cursor());
        let query = kept.chain([cursor.as_str()]).collect::<Vec<_>>().join("&");
        let query = query.replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
        response.insert_header((LINK, format!("<{}?{query}>; rel=\"next\"", request.path())));
    }
    response.json(Page { items: found.items })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_any_text_of_their_length_is_one() {
        for place in [
            Place { order: -5, id: [7; 16], number: 0 },
            Place { order: 9, id: [1; 16], number: 4_294_967_295 },
        ] {
            assert_eq!(Place::read(&place.cursor()).unwrap(), place);
        }
        assert!(Place::read(&"_".repeat(40)).is_ok() && Place::read(&"a".repeat(40)).is_ok());
        for wrong in ["", "x", "ä", "====", &"a".repeat(41), &"a".repeat(32)] {
            assert!(Place::read(wrong).is_err(), "{wrong}");
        }
    }
}
