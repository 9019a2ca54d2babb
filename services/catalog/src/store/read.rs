//! Reads, on connections that cannot write.

use ::store::{Connection, Dialect, Row, Statement, Value};
use bytes::Bytes;

use super::row::{self, category_key, columns, state_number};
use super::{Page, Subcategory, Wire};
use crate::error::Error;
use crate::page::{self, Filter, Query};
use crate::product::{CategoryPath, ProductId, State};

/// Rows that are in memory at once while a page fills: 100 of the largest are 3 MiB.
const SLICE: usize = 100;

const GET: Statement =
    Statement::new("SELECT products", concat!("SELECT ", columns!(), " FROM products WHERE product_id = $1"));

const GET_MANY: Statement = Statement::dialect(
    "SELECT products",
    Dialect {
        sqlite: concat!("SELECT ", columns!(), " FROM products WHERE product_id IN (SELECT value FROM json_each($1))"),
        postgres: concat!(
            "SELECT ",
            columns!(),
            " FROM products WHERE product_id IN (SELECT json_array_elements_text($1::json))"
        ),
    },
);

const LIST: Statement = Statement::new(
    "SELECT products",
    concat!("SELECT ", columns!(), " FROM products WHERE product_id > $1 AND state <= $2 ORDER BY product_id LIMIT $3"),
);

const LIST_BRAND: Statement = Statement::new(
    "SELECT products",
    concat!(
        "SELECT ",
        columns!(),
        " FROM products WHERE brand = $4 AND product_id > $1 AND state <= $2 ORDER BY product_id LIMIT $3"
    ),
);

const LIST_CATEGORY: Statement = Statement::new(
    "SELECT product_categories",
    concat!(
        "SELECT ",
        columns!(),
        " FROM products WHERE product_id IN (SELECT product_id FROM product_categories \
         WHERE category = $4 AND product_id > $1 AND state <= $2 ORDER BY product_id LIMIT $3) ORDER BY product_id"
    ),
);

const LIST_CATEGORY_BRAND: Statement = Statement::new(
    "SELECT product_categories",
    concat!(
        "SELECT ",
        columns!(),
        " FROM products WHERE product_id IN (SELECT product_id FROM product_categories \
         WHERE category = $4 AND brand = $5 AND product_id > $1 AND state <= $2 ORDER BY product_id LIMIT $3) \
         ORDER BY product_id"
    ),
);

const COUNT: Statement = Statement::new(
    "SELECT product_categories count",
    "SELECT name, COUNT(*) AS products FROM product_categories WHERE parent = $1 AND state <= $2 \
     GROUP BY category, name ORDER BY products DESC, name LIMIT $3",
);

const COUNT_BRAND: Statement = Statement::new(
    "SELECT product_categories count",
    "SELECT name, COUNT(*) AS products FROM product_categories WHERE parent = $1 AND state <= $2 AND brand = $4 \
     GROUP BY category, name ORDER BY products DESC, name LIMIT $3",
);

pub(super) async fn get(mut connection: Connection, wire: Wire, id: String) -> Result<Option<Bytes>, Error> {
    let row = connection.fetch_optional(&GET, [id.into()]).await?;
    Ok(row.map(|row| encoded(&row, wire)).transpose()?.map(|(_, answer)| answer))
}

pub(super) async fn get_many(
    mut connection: Connection,
    wire: Wire,
    ids: Vec<String>,
) -> Result<Vec<(String, Bytes)>, Error> {
    let rows = connection.fetch_all(&GET_MANY, [serde_json::Value::from(ids).to_string().into()]).await?;
    let found = rows.iter().map(|row| encoded(row, wire).map(|(id, answer)| (id.as_str().to_owned(), answer)));
    found.collect()
}

/// Reads slice by slice until the page is full by number or by bytes.
pub(super) async fn list(mut connection: Connection, wire: Wire, query: Query) -> Result<Page, Error> {
    let Query { filter, size, mut after, count_subcategories } = query;
    let (mut products, mut bytes, mut more) = (Vec::new(), 0, true);
    while more && products.len() < size && bytes < page::BYTES_MAX {
        let wanted = SLICE.min(size - products.len());
        // One more than wanted says whether there are more.
        let rows = slice(&mut connection, &filter, after.as_ref(), wanted + 1).await?;
        more = rows.len() > wanted;
        for row in rows.iter().take(wanted) {
            if bytes >= page::BYTES_MAX {
                more = true;
                break;
            }
            let (id, answer) = encoded(row, wire)?;
            bytes += answer.len();
            products.push(answer);
            after = Some(id);
        }
    }
    let subcategories = match count_subcategories {
        true => count(&mut connection, &filter).await?,
        false => Vec::new(),
    };
    Ok(Page { products, last: after.filter(|_| more), subcategories })
}

async fn slice(
    connection: &mut Connection,
    filter: &Filter,
    after: Option<&ProductId>,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut values: Vec<Value> =
        vec![after.map_or("", ProductId::as_str).into(), highest_state(filter).into(), limit.into()];
    values.extend(filter.category.as_ref().map(|category| Value::from(category_key(category.names()))));
    if !filter.brand.is_empty() {
        values.push(filter.brand.as_str().into());
    }
    let statement = match (&filter.category, filter.brand.is_empty()) {
        (None, true) => &LIST,
        (None, false) => &LIST_BRAND,
        (Some(_), true) => &LIST_CATEGORY,
        (Some(_), false) => &LIST_CATEGORY_BRAND,
    };
    Ok(connection.fetch_all(statement, values).await?)
}

async fn count(connection: &mut Connection, filter: &Filter) -> Result<Vec<Subcategory>, Error> {
    let above = filter.category.as_ref().map_or(&[][..], CategoryPath::names);
    let mut values: Vec<Value> =
        vec![category_key(above).into(), highest_state(filter).into(), page::SUBCATEGORIES_MAX.into()];
    let statement = match filter.brand.is_empty() {
        true => &COUNT,
        false => {
            values.push(filter.brand.as_str().into());
            &COUNT_BRAND
        }
    };
    let mut subcategories = Vec::new();
    for row in connection.fetch_all(statement, values).await? {
        let names = above.iter().cloned().chain([row.get("name")?]).collect();
        subcategories.push(Subcategory { category: CategoryPath::new(names), products: row.get("products")? });
    }
    Ok(subcategories)
}

fn highest_state(filter: &Filter) -> i64 {
    state_number(if filter.include_discontinued { State::Discontinued } else { State::Active })
}

fn encoded(row: &Row, wire: Wire) -> Result<(ProductId, Bytes), Error> {
    let product = row::product(row)?;
    let answer = (wire.product)(&product).into();
    Ok((product.id, answer))
}
