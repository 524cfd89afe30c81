"""Built-in rules about data: databases, buckets, packages."""

from __future__ import annotations

from typing import Any

from .rules import N_

DATA: tuple[tuple[str, dict[str, Any]], ...] = (
    ("catastrophe", {
        "name": "dropping-a-database",
        "reason": N_("It destroys a whole database."),
        "command": ("dropdb", "mysqladmin drop", "mysqladmin ** drop", "redis-cli ** flushall|FLUSHALL|flushdb|FLUSHDB",
                    "rake|rails db:drop|db:reset|db:purge", "influx delete",
                    "etcdctl del --prefix", "pg_dropcluster", "alembic downgrade base",
                    "mongosh|mongo ** *dropDatabase*|*.drop()*", "prisma migrate reset",
                    "npx prisma migrate reset", "manage.py flush", "python ** manage.py flush",
                    "python manage.py flush|reset_db", "python3 manage.py flush|reset_db",
                    "kafka-topics|kafka-topics.sh --delete",
                    "rabbitmqctl reset|force_reset|delete_vhost", "consul kv delete -recurse", "vault secrets disable"),
        "call": ("sql.drop_database", "mongo.drop_database", "redis.flush"),
        "match": ("dropdb shop", "psql -c 'DROP DATABASE shop'", "redis-cli -h x FLUSHALL",
                  "mysqladmin -u root drop shop",
                  "mysql -e 'drop database shop'", ("sql", "DROP DATABASE shop"),
                  "mongosh shop --eval 'db.dropDatabase()'"),
        "not_match": ("psql -c 'select 1'", "redis-cli get x", "createdb shop"),
    }),
    ("question", {
        "name": "dropping-tables",
        "reason": N_("It destroys tables or all rows of one."),
        "call": ("sql.drop_table", "sql.drop_tablespace", "sql.drop_role", "sql.drop_user", "sql.truncate",
                 "sql.delete_all", "sql.update_all", "mongo.drop_collection", "mongo.delete_all"),
        "sandbox": "outside",
        "not_match": (("sql", "DELETE FROM t WHERE id = 1"), ("sql", "SELECT 1")),
        "match": (("sql", "DELETE FROM t"), ("sql", "TRUNCATE t"), "psql -c 'drop table t'"),
    }),
    ("catastrophe", {
        "name": "emptying-a-store",
        "reason": N_("It deletes a whole bucket, volume or backup."),
        "command": ("aws s3 rb --force", "aws s3 rm --recursive", "aws s3api delete-bucket",
                    "aws rds delete-db-instance|delete-db-cluster", "aws dynamodb delete-table",
                    "aws ec2 terminate-instances|delete-volume|delete-snapshot", "aws cloudformation delete-stack",
                    "aws eks delete-cluster", "aws iam delete-*", "aws kms schedule-key-deletion|disable-key",
                    "aws route53 delete-hosted-zone", "aws lambda delete-function",
                    "gsutil rm -r|-R", "gsutil rb", "gcloud storage rm -r|--recursive", "gcloud projects delete",
                    "gcloud ** delete", "az group delete", "az ** delete", "mc rb --force", "mc rm --recursive",
                    "rclone purge|delete", "restic forget --prune", "borg delete", "s3cmd rb|del --recursive",
                    "doctl ** delete", "heroku apps:destroy", "heroku pg:reset", "flyctl|fly apps|app destroy",
                    "vercel remove|rm", "firebase firestore:delete", "gh repo delete", "gh release delete",
                    "linode-cli ** delete", "hcloud ** delete", "pulumi destroy", "cdk destroy",
                    "serverless|sls remove"),
        "match": ("aws s3 rb s3://b --force", "aws --profile p s3 rm s3://b --recursive", "az group delete -n x",
                  "gcloud compute instances delete x"),
        "not_match": ("aws s3 ls", "gcloud compute instances list", "aws s3 cp a s3://b/a"),
    }),
    ("question", {
        "name": "publishing",
        "reason": N_("It publishes something that cannot be taken back."),
        "command": ("npm publish|unpublish|deprecate", "yarn publish", "yarn npm publish", "pnpm publish",
                    "twine upload", "poetry publish", "uv publish", "flit publish", "hatch publish",
                    "cargo publish|yank",
                    "gem push|yank", "mvn deploy", "gradle publish", "vsce publish", "goreleaser release",
                    "python|python3 ** twine upload", "git push --tags"),
        "match": ("npm publish", "twine upload dist/*", "cargo publish"),
        "not_match": ("npm install", "npm run build", "npm pack"),
    }),
)  # fmt: skip
