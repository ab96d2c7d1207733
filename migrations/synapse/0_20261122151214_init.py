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

GRANTS = """
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
    return GRANTS + protected + tenants + POLICIES


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
CREATE UNIQUE INDEX "uid_runs_thread_busy" ON "runs" ("thread_id") WHERE "status" IN ('RUNNING', 'WAITING');
CREATE INDEX "idx_runs_queued" ON "runs" ("id") WHERE "status" = 'QUEUED';
CREATE INDEX "idx_runs_held" ON "runs" ("executor_id") WHERE "status" IN ('RUNNING', 'WAITING');
CREATE INDEX "idx_runs_workspa_725e42" ON "runs" ("workspace_id", "created_at");
CREATE INDEX "idx_runs_agent_i_56b238" ON "runs" ("agent_id", "id");
CREATE INDEX "idx_runs_thread__b5ebba" ON "runs" ("thread_id", "id");
COMMENT ON COLUMN "runs"."status" IS 'QUEUED: QUEUED\nRUNNING: RUNNING\nWAITING: WAITING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELLED: CANCELLED';
COMMENT ON COLUMN "runs"."input" IS 'An agent run''s message, as a JSON string.';
COMMENT ON COLUMN "runs"."started_by_id" IS 'The principal who asked for it.';
COMMENT ON TABLE "runs" IS 'One run. ``epoch`` is the fencing token: each takeover raises it, and only the holder of the newest may write.';
CREATE TABLE "run_steps" (
    "id" UUID NOT NULL PRIMARY KEY,
    "position" INT NOT NULL,
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
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_run_steps_run_id_38145c" UNIQUE ("run_id", "position")
);
COMMENT ON COLUMN "run_steps"."position" IS '1, 2, 3 ... within the run.';
COMMENT ON COLUMN "run_steps"."kind" IS 'MODEL: MODEL\nTOOL: TOOL\nAPPROVAL: APPROVAL\nAGENT: AGENT\nWAIT: WAIT\nTRANSFORM: TRANSFORM\nBRANCH: BRANCH';
COMMENT ON COLUMN "run_steps"."name" IS 'The model, tool or workflow node that ran.';
COMMENT ON COLUMN "run_steps"."status" IS 'RUNNING: RUNNING\nWAITING: WAITING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELLED: CANCELLED\nSKIPPED: SKIPPED';
COMMENT ON TABLE "run_steps" IS 'One step; the steps of a run read in the order of their positions.';
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
    "eJztXetz4jgS/1dUfJmZKpZLyGPm2KurIgmzw24SskAme7tsEcUW4IuRWUsehtqb//3Usg"
    "1+EpvwMIy+8JDUsv1ru9Uvtf8usRnFE0Yq94zYpRr6u0TxmIgf4Y4yKuHJJNAMLRw/mXKo"
    "I4YwOeaJcRtrXDQOsMmIaNIJ02xjwg2LwtA6moixFkVTg48QRhPM2NSy9Qp6fCRjbJiPj8"
    "hgiFr2GJsGI3oNadZ4gm2ilxGmOnKo8ZcjJgZ6y+HIJkNs64hbSMPibOEsdEsTp2HQ4bYO"
    "6A7pc2tI+EjC+MefotmgOvlKmP938twfGMTUQygbOkwg2/t8NpFt9/fNq49yJFzMU1+zTG"
    "dMF6MnM3EmdD7ccQy9AjTQNySU2JgTPcAC6pimxyq/yT1j0cBtuDbvVPVFg04G2DGBkaV/"
    "DRyqAf8EMDapGDqrUDLtG/q/vfMLjO33b1vdfqfR7fdLMebDeUTY4zVpFoUbx6Ac0Pr7mz"
    "vvAhXZWoIDXH6qt9+enL+TOFiMD23ZKTErfZOEmGOXVCK/gFpyO4725QjbyWjPCSKAi1Pd"
    "DNQ+QBuAtDTGX/smoUM+En9PqkdLMP5cb7swV48kzpZ4pN0H/dbrqrp9gPcCX/mdA15//H"
    "rQ9RsW8C4k0NbxrR5lwVeMSsVX9oXx9SVXf4TZKA/QMcIiI17C9tCiVUNIX4Oiu0+XyEUe"
    "DUBC85iA3xk7NJsAWH3M47y4Ej3cGJNkfoQpI8zQPdKK/6M4rMn+MIgL1FvUnHlCbgn43e"
    "ZNo9Ot39zB4caM/WVK/OrdBvRUZess0vr2PMKn+SToodn9hOAv+r1124guEvNx3d9LcE7Y"
    "4VafWtM+1gPy2G/1UfsGi/fgObCmQMMT1p6nQhHox3qsqpU2Nt41ro6jLZjioeQZgAun6W"
    "tibTIQFzLqWs+EJqpqoQHLVTbbHSp0FjE2o+7WogTJ8cgaCE2KEcZETwXVTdNtZ6EOxIRE"
    "IkLN8v4LjeHxUehRI0MTipimiVafTMO2PUOYwWAYFVfjtnxspdHtg0a3YG4eyMNU64Q+Ln"
    "a3qeK9BuMFpvKpyK1ihKmKqy+XOp/qP1TPztHbEfn6DkSGeLxdSeBLB4MzYg5cm5CjZzJZ"
    "Tec4P82gcpyfpmoc0KUUju9T4QhynXydGGK2FbgepjxAru8Jl31MlrLZYSs92QGyNTDYux"
    "83beE9jIQaZ3A0FUoX+aqNMBX6Lth3IHsRc6R6ZtkZxe4h3QU2+SKWolVuhDDl3t0LbK64"
    "EzG/jgi2zdl3eAOAJz2nOhsg2awuWxTZ/oIyG7PWw+jGof0obCBjSH8hMwlwU5wHplqiaz"
    "ISEtlPTBeti8fcxtO5KRu8o8TF68Qk3FX/653L+lWj9G1H/o8bMn4iNhsZk1KS9yPQXV7q"
    "+xjPB2YOWgEkbxiamFgj4JfEaGrZz2wi/iaFnF4anuBe+KM0H+Jh77Phz4jn4Y9wj3JC7N"
    "YJYVtmStijQZ1xTKSEV22PttAO+dbDbaNdQ/KrR+tXN83bGpJfPdq4anZbotP97tHPzcYD"
    "DHa/V7Gbj88z2M3H0TV6YTdDl7Kbld2sNKm1ugWji1NWTKN0CtjlKuocr3XoqQ/ByfYT3R"
    "eV1egNlqyxRiWDsgL21gpY3NRJRkDoll9iA8xvm8wmACcU03gsINyj4oZFkbHLVHaVqbTZ"
    "1BhmOsM8+Prjixs3XBHd85MsQcCT9CDgiTJmvldjpihZR02djCeWWOO0mVCOEhfdyJDlK6"
    "+xGNx/JrMcuUdCI3GTfASZTMc2vNCBZk1ILehkKyPLlpF9UGLQVKzEBP6KTxnWXwxEM5Kw"
    "pG/6YInuPzmxp3CJY8bcfkpx2L3iEORR5nSjAI2yfiPL2bMrLrIqCt7wQ9TDzs6y6GFnZ+"
    "l6GPSF0bWJuFLGc2dzRemKjHdyRtfY4RgGvBESWIAhN/KA9DboxClKPpd4KsQF5pQmIaLi"
    "i5PSwwjzEEfQGOvxmNkmZYxSmZXKvF2VuS5uA56oKbs9yxVkDGMyu6XgCDqSNBUknzaDI9"
    "0iQlPlQuqByJOS7wuxIb+G/YiE5oVshzLE8bPUVJFpfBHKLk0MZa99/pddZPFQuIp1F0P/"
    "VY6zzTrOgmcWg7lLvvJkmCNkK6G9nXy/teT2Nn7rhhYhH9K3N/Xf3oUWouvW7U/+8AALLq"
    "9bFxHkQUT1PRmWUyVLIC2+YrZlO0/pYN+LDhaKtE70FbkeplRcLwrXE5KYvbNfcB3b2kiI"
    "xFXYHiHdmzT273LLikoJUilBhcxcyZYStEvfwGdXWyylugj8AeWXPQW+6pkjkCYQHBhDx3"
    "YdchDloq6FL06XiOmQvyfLEjcTmtoG54Qmh8lWnyoxCOZekcs26kCavoqDFdEP4LImBneT"
    "plioC4II4obrDiuGJCodl1G1jE5QpVLxY77gv3K9XxmjBkM4vx+qx6fvTz+cnJ9+EEPkNc"
    "xb3i/hSfO2G7GcxpaQXXl8LnMC5XTJ5nQR12OCcO9L5Fgc65+ZRZOxTiCN6qyGxtH/kGmw"
    "jd3nAany5BgmNyirwPF2IVN+7rRul/tmom6YiPCBCaK+GQOO7sgrTOBOulssSre9B6K0A+"
    "g34hbjZDwBdBw7Sfs0LZwCfYQugvwACA/KeLtq3V9cN9Bdu3HZ7DS9Z2BurclOaBINhquG"
    "thv166ikF5LOcvjE4YGqTBnX10TalZbagmG+9uVUAMU4meQFd05TZP1lZ6h6tx7TRmSM8y"
    "ygMcJXLZ8Fu3e3vU4qJ3v6Db+f7tYsTvagyZzV+A3SKPeb2uqo/JoFQHcDWx2xn270Wnjn"
    "eUsHCm1QIBbKXXxDGMNSW0sqeOL2lV+odiJH5XAPexQVdGlRcC5L3y5DsIRCtpdl68QGV+"
    "/bx0fb8UurPj6Kp9+AkY+P75J9xWuYt0d7tO34xV75SNJCpVdJTHT0NAOPnWEjUFR+8FsN"
    "nZURswSJdw5I3J0ODCcjcWdKpzVlU3F4L6kNDziBcmQ9KotCSk82lCtj3IL5BobNuPt6AG"
    "ohPrXQGGtiJsLeIM20tGeGRvgLFJZEWAhE4jsTMSTGpXu/3av2JKm85oTiL+5Fe+PSKJSD"
    "fLcO8gVfMid2Oyp5KEUhm9/aMThTTfYgSZEt9tKRrHvo7x57w3wBVYY2iiAgEY1G+CJk+2"
    "b+wZc6uu9A8SL47NF6p9MUptltt4bmP3u022pd1xB89mjnP51u46aG3O+MLNlwsSNOviYo"
    "fOk+cn98kdlSWO/4BNvcwAnRuQtL3O04xecVoIqg/iTINgX7vGW7uF+IJyWE+0UzCuz9zU"
    "VD3OXvwg7yuPRR7q10qXK47q2QuptVmQoRKX1KObiUg6sA6G7AweU+6OvAtzuf6UDBDcnE"
    "Qvm4POiTXFwLrizxcLlXlnnHpBbwPtV8i8rbxyisMdO0prBZEWFqgWum7CUygpcHc/A6gb"
    "IQc3CtcV61Q3J/HT/c4Gk2coqq4hMcwq499do9ZQVsxApQKqtSWQupVRV6r0nbSd5iAu3L"
    "VSrQXLIHDMEjDa/TnljayH2dNmg/A0I1eHGrTEisIYK1kSwJYYHWIzBlRChHXhTNElJLEo"
    "0s04sCwj+hAhDG0RjP5NaRBLVr+4dfRTsLLD1ibHibC2hu0BbSz5U6Vwx1Tsg47iTkimaL"
    "eSyot5h6/ut9475xlRNmj6qG3O8ebd/f3jZvf6oh70ePPtSbXdni/ejRzv3lZaNxBWTznz"
    "36sd68hib3u0cv67eXjWvZNP9ZjFiJLAYW5216tuqcYPubPFYIZtW9nXggH4OBRcyEsQn5"
    "o96btV9fjGsj2axjwjE8l3kYFKRRmcSrY+9vJcgZTIyQHYJFu+2Qogthnnt+QaHu+NXv+A"
    "E2TMcmAlc9l/smSncI93x43T2pZlh3T6qp6y50JWM9XuQvZpUwCaSHgPi2pYwPo024PZOQ"
    "xHiwNIUhkX61ZIb94cQaUxmkqRrHPDWdbT5+e7lsR5sSLmvOSRMXoDncSn7XV7rcjpAdgh"
    "DZdL1iYc3a4MR4muWtgB4lLL4XttQdETQRcGvGBJtoOrKE2fQ8f0v1dusXg2/B7HtFuVcL"
    "fSRPoeprFbm+lop0pYu6w410+cIyP9fDlOrZLvKzPTCowUYrsTlCqvhcZD6rzdlrVoZCJe"
    "9WAlZVal4KsMq3VvnWRQZWJa+oggJ7AO3LBQVSV7W1wRsoInvQKIdXdLVp4LvYNNB2aIeT"
    "SSklv032lV/KcVuUdcuW6AbDf5SpYZLQrUIh5pnXsICueR0LtxCFvxWdJSevvX7KVUtJqP"
    "yybamC6fllh1zaIKWY8u7KFzyLC0yOEb2cyufTFnmffOmmddW4riH5FS5VUL+7a7c+18V/"
    "/5do+6khixvAl5ve5+b2Ccp2/bbzsdW+EeT+zx69ED8vP9WQ+52RhRtO4TvEF5LJ2JMsKF"
    "1G3LJMeL00aOoD2EBGRbt4jDBHNs78HG1+V84e5sl6ia0514vSZhNjBe0vzbs7Sen+KMZz"
    "hjlUdE6w/FKXqQDF9lap4w0t/uteiXaUebw/jv4NZrXmgV3lVqrcSpVbud+Iq9zKPeDEGn"
    "MrC5RAUVCv30FE1lUGxffBZ1VJVUWiiwmsikTvMhJtO2sJlHqlEA4U1oUoLFrsrvGFyLNO"
    "DN65neUXo3cExuUI35nWEF5FKskqCNyscjqoGCGLssJYt4b8ogL9j8jgTIKLnskMhkbK0z"
    "PyV2rF+00eEErhw4yt9g16Fqsng1L0mjWW8SFJ69a8N7isiGGZOgQQF1MhbIqD19w4I8Rn"
    "0MAwObGZrIhhwMsEzWe3PIb32tYelcM6v177tcvkf3FG+At5++7xMWN9jNTAY1HW+lwBSH"
    "kk+Djds9ijuI9y+HO90UWOOO7MnStfB9HPh2eIpsioli4IBJ7EmaKpeJ4Jwvp/xUJNORIL"
    "CscMTaFxTGyQdOLMLcRHQuAI2bKjMK9ScjdkPUCCSu6tf3OSV8C5P+Z1nkRrACIG5ZJCkd"
    "74IoeuC+MGn+CZaSXl+KXHegIk+1Dep7DRnvz+OOVvLagfLubh2JG9eG2OL7FplpLMRb+v"
    "vNRaNM1xXxPDchiLXgID1GaGqs0T2/pi6MSuoLppIke+RGxgDB0BsXwBGVheDocd4rY1hk"
    "Q3RpAtrLJkw3Cdk69SkDAQ6pDFBxd2lKo8WBDrbFfK1h4J0dz7BtVGzLUB6ousPCpskEap"
    "sRnUWJkFmgfhOUGR4S3Vmb+xQRPiz7SGDqnN18B/yGtQqa1b5Ug8q3Xfi7tqWBuRBHG/NP"
    "dmQaTezJYj5UZmp/Zloe2EB+XCGKZ6QaOUB1Pf7J/V6snJ++rRyfmHs9P3788+HM3dmvGu"
    "Zf7Ni+ZPAHiIMXEO+JVXV2BBjFTxYDUeuMJjJR7ESBUPVuSBUFr7DkuQ+1dEM8bYTME/QB"
    "b1Q7l0FY9+U2woHe3APL1qXDZv6tdC6ykfH0WkvL/onsYUIpXOrdK5d4f4ttO5VTrxSqzY"
    "B/d2KBonWCDW374blpcLcX+csIp/NC2c9irt1CkivB/AHAf15F217i+uG+iuLRaUTtMLKs"
    "35KzvDq0u7Ub+OPGi6Y8tXJ+aFPUKnsM6Ate9r6WumxVYSbskz7E0qfelhRDwPlEUpcQMG"
    "MnVlEYxBU8yQe3mvr/e7dwKxKLl4xX0QVd69yrsvOLoq717l3ZcDVeGIbWijUlIahddVXp"
    "pFgReDXkqhSIf0FfnhScIz3bWcJDETHGke/16XdlD4ZOX0RIPUqoPpnpwASZGjWit6capn"
    "Z1miiGdn6VFE6IvkH0wmeRD2hh8guseZYrTHS2K0xwkvBbcoTyxMCgmKaS7fOYlK98yZ7r"
    "nTvMBv/wfB58Kt"
)
