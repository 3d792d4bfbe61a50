//! Every statement that is assembled from parts, against the schema as it is.

use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _, Statement as _};

use crate::database::fresh;

#[tokio::test]
async fn postgres_prepares_every_statement_that_is_assembled() {
    let mut db = fresh().await;
    let mut prepared = 0;
    for text in sagas_orchestrator::store::assembled() {
        let sql = AssertSqlSafe(text.clone()).into_sql_str();
        let statement = db.side.prepare(sql).await;
        let statement = statement.unwrap_or_else(|error| panic!("{error}: {text}"));
        let arguments = (1..).take_while(|number| text.contains(&format!("${number}")));
        let known = statement.parameters().unwrap().unwrap_left().len();
        assert_eq!(known, arguments.count(), "{text}");
        prepared += 1;
    }
    assert!(prepared > 500, "{prepared}");
}
