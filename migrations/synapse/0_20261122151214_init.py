from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


# Row-level security, written by hand. The application works as synapse_app, which owns nothing and bypasses nothing;
# policies read what `models.database.transaction` sets. Nothing set means no rows.
WORKSPACES = "string_to_array(NULLIF(current_setting('app.workspace_ids', true), ''), ',')::uuid[]"
USER = "NULLIF(current_setting('app.user_id', true), '')::uuid"
TENANT_TABLES = (
    "memberships", "agents", "agent_versions", "threads", "messages", "runs", "run_steps", "run_events", "llm_calls"
)
# A partition's own name would lead around the policies of the whole table, so nothing is granted on partitions.
GRANTED_TABLES = (*TENANT_TABLES, "users", "refresh_tokens", "workspaces", "idempotency_keys")

APP_ROLE = """
DO $$ BEGIN
    CREATE ROLE synapse_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'synapse_app', 'MEMBER') THEN
        EXECUTE format('GRANT synapse_app TO %I', current_user);
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO synapse_app;
GRANT SELECT ON "aerich" TO synapse_app;
"""

POLICIES = f"""
CREATE POLICY tenant ON "workspaces" USING (id = ANY({WORKSPACES}));
CREATE POLICY own_memberships ON "memberships" FOR SELECT USING (user_id = {USER});
CREATE POLICY own_account ON "users" USING (id = {USER});
CREATE POLICY fellow_members ON "users" FOR SELECT USING (
    EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id AND m.workspace_id = ANY({WORKSPACES}))
);
CREATE POLICY sign_in ON "users" FOR SELECT USING (email = NULLIF(current_setting('app.email', true), ''));
CREATE POLICY own_sessions ON "refresh_tokens" USING (user_id = {USER});
CREATE POLICY refresh ON "refresh_tokens" FOR SELECT USING (
    token_hash = NULLIF(current_setting('app.token_hash', true), '')
);
CREATE POLICY scope ON "idempotency_keys" USING (scope_id = ANY({WORKSPACES}) OR scope_id = {USER});
CREATE POLICY executor_sees ON "runs" FOR SELECT USING (current_setting('app.executor', true) = 'on');
CREATE POLICY executor_claims ON "runs" FOR UPDATE USING (current_setting('app.executor', true) = 'on');
"""


def row_level_security() -> str:
    protected = "".join(
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY;\nALTER TABLE "{table}" FORCE ROW LEVEL SECURITY;\n'
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO synapse_app;\n'
        for table in GRANTED_TABLES
    )
    tenants = "".join(
        f'CREATE POLICY tenant ON "{table}" USING (workspace_id = ANY({WORKSPACES}));\n' for table in TENANT_TABLES
    )
    return APP_ROLE + protected + tenants + POLICIES


async def upgrade(db: BaseDBAsyncClient) -> str:
    return TABLES + row_level_security()


TABLES = """
CREATE TABLE "users" (
    "id" UUID NOT NULL PRIMARY KEY,
    "email" VARCHAR(320) NOT NULL UNIQUE,
    "name" VARCHAR(200) NOT NULL,
    "password_hash" VARCHAR(200) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON COLUMN "users"."password_hash" IS 'argon2id, in PHC string format.';
COMMENT ON TABLE "users" IS 'A person with a password. ``email`` is normalised: compared, and unique, without regard to case.';
CREATE TABLE "refresh_tokens" (
    "id" UUID NOT NULL PRIMARY KEY,
    "session_id" UUID NOT NULL,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_refresh_tok_session_11127b" ON "refresh_tokens" ("session_id");
COMMENT ON COLUMN "refresh_tokens"."token_hash" IS 'SHA-256 (hex) of the token, which itself is not kept.';
COMMENT ON COLUMN "refresh_tokens"."used_at" IS 'When it was exchanged for its successor.';
COMMENT ON COLUMN "refresh_tokens"."revoked_at" IS 'When its session ended early.';
COMMENT ON TABLE "refresh_tokens" IS 'One token of a session. All tokens of a session share ``session_id``, which access tokens carry as ``sid``.';
CREATE TABLE "workspaces" (
    "id" UUID NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "slug" VARCHAR(63) NOT NULL UNIQUE,
    "created_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE "workspaces" IS 'A tenant.';
CREATE TABLE "memberships" (
    "id" UUID NOT NULL PRIMARY KEY,
    "role" VARCHAR(16) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_memberships_workspa_a2d391" UNIQUE ("workspace_id", "user_id")
);
CREATE INDEX "idx_memberships_user_id_6b1e99" ON "memberships" ("user_id");
COMMENT ON COLUMN "memberships"."role" IS 'OWNER: OWNER\nADMIN: ADMIN\nEDITOR: EDITOR\nVIEWER: VIEWER';
COMMENT ON TABLE "memberships" IS 'A user''s place in a workspace.';
CREATE TABLE "idempotency_keys" (
    "id" UUID NOT NULL PRIMARY KEY,
    "scope_id" UUID NOT NULL,
    "key" VARCHAR(255) NOT NULL,
    "request_hash" VARCHAR(64) NOT NULL,
    "result_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "uid_idempotency_scope_i_2245ce" UNIQUE ("scope_id", "key")
);
COMMENT ON COLUMN "idempotency_keys"."request_hash" IS 'SHA-256 (hex) of the mutation''s name and its input.';
COMMENT ON COLUMN "idempotency_keys"."result_id" IS 'What the mutation made.';
COMMENT ON TABLE "idempotency_keys" IS 'One use of a key within its scope: a workspace, or the user where there is no workspace yet.';
CREATE TABLE "agents" (
    "id" UUID NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "description" TEXT,
    "live_version_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "updated_at" TIMESTAMPTZ NOT NULL,
    "archived_at" TIMESTAMPTZ,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_agents_workspa_58e783" ON "agents" ("workspace_id", "id");
COMMENT ON TABLE "agents" IS 'A named agent. What it does stands in its versions; new runs take the live one.';
CREATE TABLE "agent_versions" (
    "id" UUID NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "fallback_models" JSONB NOT NULL,
    "instructions" TEXT NOT NULL,
    "temperature" DOUBLE PRECISION,
    "max_output_tokens" INT,
    "max_steps" INT NOT NULL,
    "output_schema" JSONB,
    "created_at" TIMESTAMPTZ NOT NULL,
    "agent_id" UUID NOT NULL REFERENCES "agents" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_agent_versi_agent_i_d9928f" UNIQUE ("agent_id", "number")
);
COMMENT ON COLUMN "agent_versions"."number" IS '1, 2, 3 ... within the agent.';
COMMENT ON TABLE "agent_versions" IS 'One configuration of an agent: never changed once written.';
CREATE TABLE "threads" (
    "id" UUID NOT NULL PRIMARY KEY,
    "title" VARCHAR(200),
    "created_at" TIMESTAMPTZ NOT NULL,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_threads_workspa_528f5a" ON "threads" ("workspace_id", "id");
COMMENT ON TABLE "threads" IS 'A conversation: the runs in it follow one another, never two at a time.';
CREATE TABLE "messages" (
    "id" UUID NOT NULL PRIMARY KEY,
    "run_id" UUID NOT NULL,
    "position" INT NOT NULL,
    "role" VARCHAR(16) NOT NULL,
    "text" TEXT NOT NULL,
    "partial" BOOL NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "thread_id" UUID NOT NULL REFERENCES "threads" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_messages_run_id_cdaaa2" UNIQUE ("run_id", "position")
);
CREATE INDEX "idx_messages_thread__79533c" ON "messages" ("thread_id", "run_id", "position");
COMMENT ON COLUMN "messages"."position" IS '0 for the user''s message, then 1, 2 ... within the run.';
COMMENT ON COLUMN "messages"."role" IS 'USER: USER\nASSISTANT: ASSISTANT\nTOOL: TOOL\nSYSTEM: SYSTEM';
COMMENT ON TABLE "messages" IS 'One message. Conversations read in order of (``run_id``, ``position``).';
CREATE TABLE "runs" (
    "id" UUID NOT NULL PRIMARY KEY,
    "status" VARCHAR(16) NOT NULL,
    "input" JSONB NOT NULL,
    "metadata" JSONB,
    "output_text" TEXT,
    "output" JSONB,
    "failure_code" VARCHAR(32),
    "failure_message" TEXT,
    "failure_retryable" BOOL,
    "epoch" INT NOT NULL,
    "executor_id" VARCHAR(64),
    "started_by_id" UUID NOT NULL,
    "cancel_requested_at" TIMESTAMPTZ,
    "created_at" TIMESTAMPTZ NOT NULL,
    "started_at" TIMESTAMPTZ,
    "finished_at" TIMESTAMPTZ,
    "agent_id" UUID NOT NULL REFERENCES "agents" ("id") ON DELETE CASCADE,
    "agent_version_id" UUID NOT NULL REFERENCES "agent_versions" ("id") ON DELETE CASCADE,
    "thread_id" UUID NOT NULL REFERENCES "threads" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_runs_workspa_725e42" ON "runs" ("workspace_id", "created_at");
CREATE INDEX "idx_runs_agent_i_56b238" ON "runs" ("agent_id", "id");
CREATE UNIQUE INDEX "uid_runs_thread_busy" ON "runs" ("thread_id") WHERE "status" IN ('RUNNING', 'WAITING');
CREATE INDEX "idx_runs_queued" ON "runs" ("id") WHERE "status" = 'QUEUED';
CREATE INDEX "idx_runs_thread__b5ebba" ON "runs" ("thread_id", "id");
COMMENT ON COLUMN "runs"."status" IS 'QUEUED: QUEUED\nRUNNING: RUNNING\nWAITING: WAITING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELLED: CANCELLED';
COMMENT ON COLUMN "runs"."input" IS 'An agent run''s message, as a JSON string.';
COMMENT ON COLUMN "runs"."started_by_id" IS 'The principal who asked for it.';
COMMENT ON TABLE "runs" IS 'One run. ``epoch`` is the fencing token: each takeover raises it, and only the holder of the newest may write.';
CREATE TABLE "run_steps" (
    "id" UUID NOT NULL PRIMARY KEY,
    "kind" VARCHAR(16) NOT NULL,
    "name" VARCHAR(200) NOT NULL,
    "status" VARCHAR(16) NOT NULL,
    "attempt" INT NOT NULL,
    "input" JSONB,
    "output" JSONB,
    "failure_code" VARCHAR(32),
    "failure_message" TEXT,
    "failure_retryable" BOOL,
    "started_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "run_id" UUID NOT NULL REFERENCES "runs" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_run_steps_run_id_f80b90" ON "run_steps" ("run_id", "id");
COMMENT ON COLUMN "run_steps"."kind" IS 'MODEL: MODEL\nTOOL: TOOL\nAPPROVAL: APPROVAL\nAGENT: AGENT\nWAIT: WAIT\nTRANSFORM: TRANSFORM\nBRANCH: BRANCH';
COMMENT ON COLUMN "run_steps"."name" IS 'The model, tool or workflow node that ran.';
COMMENT ON COLUMN "run_steps"."status" IS 'RUNNING: RUNNING\nWAITING: WAITING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELLED: CANCELLED\nSKIPPED: SKIPPED';
COMMENT ON TABLE "run_steps" IS 'One step; the steps of a run read in the order of their ids.';
CREATE TABLE "run_events" (
    "run_id" UUID NOT NULL,
    "seq" INT NOT NULL,
    "first_seq" INT NOT NULL,
    "workspace_id" UUID NOT NULL,
    "step_id" UUID,
    "type" VARCHAR(32) NOT NULL,
    "payload" JSONB NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    PRIMARY KEY ("run_id", "seq")
) PARTITION BY RANGE ("run_id");
CREATE TABLE "run_events_default" PARTITION OF "run_events" DEFAULT;
COMMENT ON COLUMN "run_events"."first_seq" IS 'Below seq where adjacent deltas were merged into this one.';
COMMENT ON TABLE "run_events" IS 'One logged event. The table is partitioned by ``run_id``; its true key is (``run_id``, ``seq``).';
CREATE TABLE "llm_calls" (
    "id" UUID NOT NULL PRIMARY KEY,
    "step_id" UUID NOT NULL,
    "agent_id" UUID NOT NULL,
    "provider" VARCHAR(32) NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "status" VARCHAR(16) NOT NULL,
    "cached" BOOL NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL,
    "cost_usd" DECIMAL(20,10) NOT NULL,
    "failure_code" VARCHAR(32),
    "failure_message" TEXT,
    "started_at" TIMESTAMPTZ NOT NULL,
    "time_to_first_token_ms" DOUBLE PRECISION,
    "duration_ms" DOUBLE PRECISION,
    "provider_closed_at" TIMESTAMPTZ,
    "run_id" UUID NOT NULL REFERENCES "runs" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_llm_calls_workspa_ce725e" ON "llm_calls" ("workspace_id", "started_at");
CREATE INDEX "idx_llm_calls_run_id_d3fe52" ON "llm_calls" ("run_id", "id");
COMMENT ON COLUMN "llm_calls"."model" IS 'As in the catalogue: provider/model.';
COMMENT ON COLUMN "llm_calls"."status" IS 'RUNNING: RUNNING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELLED: CANCELLED';
COMMENT ON COLUMN "llm_calls"."provider_closed_at" IS 'When the connection to the provider was closed.';
COMMENT ON TABLE "llm_calls" IS 'One attempt at one provider. All usage figures are computed from these rows.';
CREATE TABLE "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        """


MODELS_STATE = (
    "eJztXetz4jgS/1dUfJmZKpZLyGPm2KurIgkzw20SskAme7tcEcUW4IuRWUsehtqb//3Usg"
    "1+EpvwMIy+8JDUsv1ru9Uvtf8qsRnFE0Yq94zYpRr6q0TxmIgf4Y4yKuHJJNAMLRw/mXKo"
    "I4YwOeaJcRtrXDQOsMmIaNIJ02xjwg2LwtA6moixFkVTg48QRhPM2NSy9Qp6fCRjbJiPj8"
    "hgiFr2GJsGI3oNadZ4gm2ilxGmOnKo8acjJgZ6y+HIJkNs64hbSMPibOEsdEsTp2HQ4bYO"
    "6A7pc2tI+EjC+Md/RLNBdfKNMP/v5Lk/MIiph1A2dJhAtvf5bCLb7u+bVx/lSLiYp75mmc"
    "6YLkZPZuJM6Hy44xh6BWigb0gosTEneoAF1DFNj1V+k3vGooHbcG3eqeqLBp0MsGMCI0v/"
    "GDhUA/4JYGxSMXRWoWTaN/R/eucXGNvv37a6/U6j2++XYsyH84iwx2vSLAo3jkE5oPXXd3"
    "feBSqytQQHuPxcb789OX8ncbAYH9qyU2JW+i4JMccuqUR+AbXkdhztyxG2k9GeE0QAF6e6"
    "Gah9gDYAaWmMv/VNQod8JP6eVI+WYPyl3nZhrh5JnC3xSLsP+q3XVXX7AO8FvvI7B7z++P"
    "Wg6zcs4F1IoK3jWz3Kgq8YlYqv7Avj60uu/gizUR6gY4RFRryE7aFFq4aQvgZFd58vkYs8"
    "GoCE5jEBvzN2aDYBsPqYx3lxJXq4MSbJ/AhTRpihe6QV/0dxWJP9YRAXqLeoOfOE3BLwu8"
    "2bRqdbv7mDw40Z+9OU+NW7DeipytZZpPXteYRP80nQQ7P7GcFf9HvrthFdJObjur+X4Jyw"
    "w60+taZ9rAfksd/qo/YdFu/Bc2BNgYYnrD1PhSLQj/VYVSttbLxrXB1HWzDFQ8kzABdO09"
    "fE2mQgLmTUtZ4JTVTVQgOWq2y2O1ToLGJsRt2tRQmS45E1EJoUI4yJngqqm6bbzkIdiAmJ"
    "RISa5f0XGsPjo9CjRoYmFDFNE60+mYZte4Ywg8EwKq7GbfnYSqPbB41uwdw8kIep1gl9XO"
    "xuU8V7DcYLTOVTkVvFCFMVV18udT7Xf6qenaO3I/LtHYgM8Xi7ksCXDgZnxBy4NiFHz2Sy"
    "ms5xfppB5Tg/TdU4oEspHD+mwhHkOvk2McRsK3A9THmAXN8TLvuYLGWzw1Z6sgNka2Cwdz"
    "9u2sJ7GAk1zuBoKpQu8k0bYSr0XbDvQPYi5kj1zLIzit1Dugts8lUsRavcCGHKvbsX2Fxx"
    "J2J+HRFsm7Mf8AYAT3pOdTZAslldtiiy/QVlNmath9GNQ/tR2EDGkP5CZhLgpjgPTLVE12"
    "QkJLKfmC5aF4+5jadzUzZ4R4mL14lJuKv+1zuX9atG6fuO/B83ZPxEbDYyJqUk70egu7zU"
    "9zGeD8wctAJI3jA0MbFGwC+J0dSyn9lE/E0KOb00PMG98EdpPsTD3mfDfyKehz/CPcoJsV"
    "snhG2ZKWGPBnXGMZESXrU92kI75FsPt412DcmvHq1f3TRva0h+9WjjqtltiU73u0e/NBsP"
    "MNj9XsVuPj7PYDcfR9fohd0MXcpuVnaz0qTW6haMLk5ZMY3SKWCXq6hzvNahpz4EJ9tPdF"
    "9UVqM3WLLGGpUMygrYWytgcVMnGQGhW36JDTC/bTKbAJxQTOOxgHCPihsWRcYuU9lVptJm"
    "U2OY6Qzz4OuPL27ccEV0z0+yBAFP0oOAJ8qY+VGNmaJkHTV1Mp5YYo3TZkI5Slx0I0OWr7"
    "zGYnD/mcxy5B4JjcRN8hFkMh3b8EIHmjUhtaCTrYwsW0b2QYlBU7ESE/grPmVYfzEQzUjC"
    "kr7pgyW6/+TEnsIljhlz+ynFYfeKQ5BHmdONAjTK+o0sZ8+uuMiqKHjDD1EPOzvLooedna"
    "XrYdAXRtcm4koZz53NFaUrMt7JGV1jh2MY8EZIYAGG3MgD0tugE6co+VziqRAXmFOahIiK"
    "L05KDyPMQxxBY6zHY2ablDFKZVYq83ZV5rq4DXiipuz2LFeQMYzJ7JaCI+hI0lSQfNoMjn"
    "SLCE2VC6kHIk9Kvq/Ehvwa9jMSmheyHcoQx89SU0Wm8VUouzQxlL32+V92kcVD4SrWXQz9"
    "VznONus4C55ZDOYu+caTYY6QrYT2dvL91pLb2/itG1qEfEjf3tR/exdaiK5bt5/84QEWXF"
    "63LiLIg4jqezIsp0qWQFp8xWzLdp7SwX4UHSwUaZ3oK3I9TKm4XhSuJyQxe2e/4Dq2tZEQ"
    "iauwPUK6N2nsP+SWFZUSpFKCCpm5ki0laJe+gS+utlhKdRH4A8ovewp81TNHIE0gODCGju"
    "065CDKRV0LX5wuEdMhf0+WJW4mNLUNzglNDpOtPlViEMy9Ipdt1IE0fRUHK6IfwGVNDO4m"
    "TbFQFwQRxA3XHVYMSVQ6LqNqGZ2gSqXix3zBf+V6vzJGDYZwfj9Vj0/fn344OT/9IIbIa5"
    "i3vF/Ck+ZtN2I5jS0hu/L4XOYEyumSzekirscE4d6XyLE41v/qtG6TsU4gjeqshsbR/5Bp"
    "sI3d5wGp8uQYJjcoq8DxdiFTAKrlvpmoGyYifGCCqG/GgKM78goTuJPuFovSbe+BKO0A+o"
    "24xTgZTwAdx07SPk0Lp0AfoYsgPwDCgzLerlr3F9cNdNduXDY7Te8ZmFtrshOaRIPhqqHt"
    "Rv06KumFpLMcPnF4oCpTxvU1kXalpbZgmK99ORVAMU4mecGd0xRZf9kZqt6tx7QRGeM8C2"
    "iM8FXLZ8Hu3W2vk8rJnn7D76e7NYuTPWgyZzV+gzTK/aa2Oiq/ZgHQ3cBWR+ynG70W3nne"
    "0oFCGxSIhXIX3xDGsNTWkgqeuH3lF6qdyFE53MMeRQVdWhScy9K3yxAsoZDtZdk6scHV+/"
    "bx0Xb80qqPj+LpN2Dk4+O7ZF/xGubt0R5tO36xVz6StFDpVRITHT3NwGNn2AgUlZ/8VkNn"
    "ZcQsQeKdAxJ3pwPDyUjcmdJpTdlUHN5LasMDTqAcWY/KopDSkw3lyhi3YL6BYTPuvh6AWo"
    "hPLTTGmpiJsDdIMy3tmaER/gqFJREWApH4zkQMiXHp3m/3qj1JKq85ofiLe9HeuDQK5SDf"
    "rYN8wZfMid2OSh5KUcjmt3YMzlSTPUhSZIu9dCTrHvq7x94wX0CVoY0iCEhEoxG+CNm+mX"
    "/wpY7uO1C8CD57tN7pNIVpdtutofnPHu22Wtc1BJ892vl3p9u4qSH3OyNLNlzsiJNvCQpf"
    "uo/cH19kthTWOz7BNjdwQnTuwhJ3O6YpsmlBFUH9SZBtCvZ5y3ZxvxBPSgj3i2YU2Pubi4"
    "a4y9+FHeRx6aPcW+lS5XDdWyF1N6syFSJS+pRycCkHVwHQ3YCDy33Q14Fvdz7TgYIbkomF"
    "8nF50Ce5uBZcWeLhcq8s845JLeB9qvkWlbePUVhjpmlNYbMiwtQC10zZS2QELw/m4HUCZS"
    "Hm4FrjvGqH5P46frjB02zkFFXFJziEXXvqtXvKCtiIFaBUVqWyFlKrKvRek7aTvMUE2per"
    "VKC5ZA8YgkcaXqc9sbSR+zpt0H4GhGrw4laZkFhDBGsjWRLCAq1HYMqIUI68KJolpJYkGl"
    "mmFwWEf0IFIIyjMZ7JrSMJatf2D7+KdhZYesTY8DYX0NygLaSfK3WuGOqckHHcScgVzRbz"
    "WFBvMfX81/vGfeMqJ8weVQ253z3avr+9bd5+qiHvR48+1Jtd2eL96NHO/eVlo3EFZPOfPf"
    "qx3ryGJve7Ry/rt5eNa9k0/1mMWIksBhbnbXq26pxg+5s8Vghm1b2deCAfg4FFzISxCRfp"
    "vVn79cW4NpLNOiYcw3OZh0FBGpVJvDr2/laCnMHECNkhWLTbDim6EOa55xcU6o5f/Y4fYM"
    "N0bCJw1XO5b6J0h3DPh9fdk2qGdfekmrruQlcy1uNF/mJWCZNAegiIb1vK+DDahNszCUmM"
    "B0tTGBLpV0tm2B9OrDGVQZqqccxT09nm47eXy3a0KeGy5pw0cQGaw63kd32ly+0I2SEIkU"
    "3XKxbWrA1OjKdZ3groUcLie2FL3RFBEwG3ZkywiaYjS5hNz/O3VG+3fjH4Fsy+V5R7tdBH"
    "8hSqvlaR62upSFe6qDvcSJcvLPNzPUypnu0iP9sDgxpstBKbI6SKz0Xms9qcvWZlKFTybi"
    "VgVaXmpQCrfGuVb11kYFXyiioosAfQvlxQIHVVWxu8gSKyB41yeEVXmwZ+iE0DbYd2OJmU"
    "UvLbZF/5pRy3RVm3bIluMPxnmRomCd0qFGKeeQ0L6JrXsXALUUDuU9Rd+OrJsiShLSoKqG"
    "yyYmSTPYuLTA5SvJxL5tMWeaN26aZ11biuIfkV3itfv7trt77UxX//l2j71JC76+HLzS9z"
    "k8sEZbt+2/nYat8Icv9nj16In5efa8j9zuaC33QO2SG+EUsGP2RF4zLilmXC+41BVRzADi"
    "Yq2oUwwhzZOHMdii28cn7/EjW9zMqcIqy02cxMQftL8+5OUro/ivGcYQ4lhRNMj9SYeYBi"
    "e1Hz4w2tR+uOmu8o9XV/PM0bTKvMA7tK7lPJfSq5b78RV8l9e8CJNSb3FSiCX1C300GEdl"
    "UI/8fgsyrlqUKhxQRWhUJ3GQq1nbVE6ry9+AcK60IUFi141PhK5FknRo/czvKL4SMC43LE"
    "j0xrCO/ClGQVBG5WOR2ULJBVQWGsW8R8UQL9Z2RwJsFFz2QGQyP10Rn5M7Xk+iYPCLXYYc"
    "ZW+wY9i9WTQS10zRrL2suS1i26bnBZksEydYhjLaZC2BQHr7nhLqhvjAaGyYnNZEkGA95m"
    "Zz679Rm894b2qBzW+fXaL54l/4szwl/J23ePjxljY6mxsKKs9bliYvJI8HG6Z+EwcR/l8O"
    "d6o4tczXtn7lz5PoJ+PjxDNEVGtXRBIPAkzhRNxfNMENb/KxZqypFYUDhmaAqNY2KDpBNn"
    "biE+EgJHyJYdlUlXSu6GrAfIk8i992xO8go498e8zpPpC0DEoFxSqdAbX+TQdWHc4BM8M6"
    "2kJLP0WE+AZB/qyxQ22pPfH6f8rQX1w8U8HDuyF6/N8SU2zVKSuej3lZdai6Y57mtiWA5j"
    "0UtggOLAUDZ4YltfDZ3YFVQ3TeTIt1gNjKEjIJZvwALLy+GwRdm2xpAuyAiyhVWWbBiuc/"
    "JVKuIFQh2y+p1KVtyNOrCs9N2OlK09EqK5N66pnYBrA9QXWXlU2CCNUmMzqLEyCzQPwnOC"
    "IsNbqjM/v14T4s+0hg6pzdfAv8lrUKmtW+VIPKt136uLalgbkQRxvzT3ZkGkXg2WI+VGZq"
    "f2ZaXnhAflwhimekGjlAdTYOvv1erJyfvq0cn5h7PT9+/PPhzN3ZrxrmX+zYvmJwA8xJg4"
    "B/zSnyuwIEaqeLAaD1zhsRIPYqSKByvyQCitfYclyP0rohljbKbgHyCL+qFcuopHvyk2lI"
    "52YJ5eNS6bN/VrofWUj48iUt5fdE9jCpFK51bp3LtDfNvp3CqdeCVW7IN7OxSNEywQ62/f"
    "DcvLhbg/TljFP5oWTnuXc+oUEd4PYI6DevKuWvcX1w101xYLSqfpBZXm/JWd4dWl3ahfRx"
    "403bHlu/vywh6hU1hnwNr3tfQ102IrCbfkGfYmlb70MCKeB8qilLgBA5m6sgjGoClmyL28"
    "1xec3TuBWJRcvOI+iCrvXuXdFxxdlXev8u7LgbJkxDa0USkpjcLrKi/NosCLQS+lUKRD+o"
    "r88CThme5aTpKYCY40j3+vSzsofLJyeqJBatm7dE9OgKTIUa0VvTjVs7MsUcSzs/QoIvRF"
    "8g8mkzwIe8MPEN3jTDHa4yUx2uOEt1JblCdWxkxP9wyQqHTPnOmeO80L/P5/3+ZGeQ=="
)
