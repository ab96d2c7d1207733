from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

WORKSPACES = "string_to_array(NULLIF(current_setting('app.workspace_ids', true), ''), ',')::uuid[]"
USER = "NULLIF(current_setting('app.user_id', true), '')::uuid"
# An invitation shows itself to whoever has its token and its e-mail address, before they are in the workspace. Those who
# were in it go on being seen there, and nowhere else.
POLICIES = f"""
ALTER TABLE "invitations" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "invitations" FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON "invitations" TO synapse_app;
CREATE POLICY tenant ON "invitations" USING (workspace_id = ANY({WORKSPACES}));
CREATE POLICY invited ON "invitations" FOR SELECT USING (
    token_hash = NULLIF(current_setting('app.token_hash', true), '')
    AND email = (SELECT u.email FROM users u WHERE u.id = {USER})
);
ALTER TABLE "former_members" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "former_members" FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON "former_members" TO synapse_app;
CREATE POLICY tenant ON "former_members" USING (workspace_id = ANY({WORKSPACES}));
CREATE POLICY former_members ON "users" FOR SELECT USING (
    EXISTS (SELECT FROM former_members f WHERE f.user_id = users.id AND f.workspace_id = ANY({WORKSPACES}))
);
"""

TABLES = """
CREATE TABLE "invitations" (
    "id" UUID NOT NULL PRIMARY KEY,
    "email" VARCHAR(320) NOT NULL,
    "role" VARCHAR(16) NOT NULL,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "invited_by_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_invitations_workspa_e556b6" UNIQUE ("workspace_id", "email")
);
COMMENT ON COLUMN "invitations"."role" IS 'OWNER: OWNER\nADMIN: ADMIN\nEDITOR: EDITOR\nVIEWER: VIEWER';
COMMENT ON COLUMN "invitations"."token_hash" IS 'SHA-256 (hex) of the token, which itself is not kept.';
COMMENT ON COLUMN "invitations"."invited_by_id" IS 'The principal whose right to give the role makes it good.';
COMMENT ON TABLE "invitations" IS 'An invitation that nobody has accepted yet. ``email`` is normalised, as a user''s is.';
CREATE TABLE "former_members" (
    "id" UUID NOT NULL PRIMARY KEY,
    "left_at" TIMESTAMPTZ NOT NULL,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_former_memb_workspa_d6be50" UNIQUE ("workspace_id", "user_id")
);
COMMENT ON COLUMN "former_members"."left_at" IS 'The last time.';
COMMENT ON TABLE "former_members" IS 'Somebody who has left a workspace, or was removed, at least once; they may have come back.';
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    return TABLES + POLICIES


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP POLICY IF EXISTS former_members ON "users";
        DROP TABLE IF EXISTS "former_members";
        DROP TABLE IF EXISTS "invitations";"""


MODELS_STATE = (
    "eJztXW1z2ki2/itdfElSxfgmOHbmem7dKmyTCTu2yQKOd3bYwm3RGC2ixahbJtRs/vue05"
    "JAr1gigAXpLxbu7qOX50inz1uf/qsi5pxOBTu6FcypnJG/KpxOGPyIdlRJhU6noWZskfTB"
    "UkNdGCLUmAchHWpIaBxSSzBoGjBhOOZUmjbHoXUyhbE2JzNTjgglUyrEzHYGR+T+nk2oad"
    "3fE1MQbjsTapmCDc6IYU+m1GGDKqF8QFxu/unCiZHediVx2CN1BkTaxKBwt3gXA9uA2zD5"
    "464u6A3pS/uRyZGC8Y9/QbPJB+wrE8G/03F/aDJrEEHZHOAJVHtfzqeq7fa2eflRjcSHee"
    "gbtuVO+HL0dA53whfDXdccHCEN9j0yzhwq2SDEAu5als+qoMm7Y2iQDj6bf6uDZcOADalr"
    "ISMr/zd0uYH8A2AcdmQOxBFns745+H///kJj+/2bVrffaXT7/UqC+XgfMfb4TYbN8cUxuU"
    "S0/vrmnXeJimqt4AUuPtXbr49P3ygcbCEfHdWpMKt8U4RUUo9UIb+EWnE7ifbFiDrpaC8I"
    "YoDDrW4H6gCgLUBamdCvfYvxRzmCf49rb1dg/KXe9mCuvVU42/BJex/6jd9V8/oQ7yW+6l"
    "gA3mD8ZtANGpbwLiXQzvGtvc2DL4zKxFf1RfENJFd/RMWoCNAJwjIjXqHOo81rJkhfk5PP"
    "ny6IhzwZooSWCQH/YuwwHIZg9alM8uISeqQ5Yen8iFLGmDHwSY+CH+VhTf6PAR5w0OLW3B"
    "dyK8DvNq8bnW79+jNebiLEn5bCr95tYE9Ntc5jra9PY3xanITcNbufCP5L/tm6acQnicW4"
    "7j8reE/UlXaf27M+HYTkcdAaoPYNJ+/hODSnYMMDNcYzUAT6iR67ZmeNTXZNapN4C+X0Uf"
    "EMwcXbDDSxNhvCg4y69pjxVFUtMmC1yuZ4Q0FngbE5dbcWZ0SNJ/YQNCnBhICeI1K3LK9d"
    "RDqIAInEQM3y/weN4f4e9KiRaYAiZhjQGpAZ1HHmhAocjKOSatyOr601un3Q6JbMLQJ5lG"
    "qT0CfF7i5VvO/BeImp+ioKqxhRqvLqy5XOp/pPtZNT8nrEvr5BkQGftycJAulgSsGsoWcT"
    "SjJm0/V0jtP3OVSO0/eZGgd2aYXjx1Q4wlxnX6cmnG0NrkcpD5Dre8LlAJOVbHbFWl92iG"
    "wDDPbfx21beHcjUONMSWagdLGvxohy0HfRvkPZS4Sr1DPbySl2D+ktcNgTTEXrvAhRyr17"
    "F8RCcWdw/gFh1LHmP+ALgJ70gupsiGS7umxZZPszymzCWo+im4T2I9hA5iP/jc0VwE24D8"
    "qNVNdkLCSyn5guW5efuUNnC1M2/EbBww+YxaSn/tc7F/XLRuXbC/k/rtnkgTliZE4rad6P"
    "UHd1pe9jshiYO2iFkLwSZGpRg6FfkpKZ7YzFFP5NCzk9NzzFvfBHZTHExz5gw79inoc/oj"
    "3aCfGyTgjHtjLCHg3uThIiJTpr+7Sldsi37m4a7TOiDj1ev7xu3pwRdejxxmWz24JO79jj"
    "X5qNOxzsHdexm9+d5rCb38Xn6KXdjF3abtZ2s9akNuoWjE9OeTGN02lgV6uoC7w2oafehU"
    "+2n+g+q6zGX7B0jTUuGbQVsLdWwPKlTjMCIq/8Chtg8drkNgEk45QnYwHRHh03LIuMXaWy"
    "60yl7abGCMt9LIJvML68ccM10T09zhMEPM4OAh5rY+ZHNWbKknXUHLDJ1IY5zpiDcpQ66c"
    "aGrJ55zeXg/pjNC+QegUbiJfkAmUrHNv3QgWFP2VnYyVYltqMi+6jEkBnMxAz/hb8qrL8c"
    "SOYsZUrf9sVS3X/qxL7CBddMuP204vDyikOYR7nTjUI02vqNTWdjT1zkVRT84Yeoh52c5N"
    "HDTk6y9TDsi6LrMHhSIQtnc8Xpyox3ekbXxJUUB7wCCQxgqIU8KL1NPnXLks8FXwU8YEFp"
    "EiEqvzip3I2ojHCETOggGTPbpozRKrNWmXerMtfhNZCpmrLXs1pBpjgmt1sKrzAgiuaIqK"
    "/NlGRgM9BUJUg9FHlK8j0xB/NrxC8ENC/iuFwQScdKUyWW+QTKLk8NZW/8/M+7yJKhcB3r"
    "Lof+qx1n23Wche8sAXOXfZXpMMfI1kJ7N/l+G8ntbfyjG5mEAkhfX9f/8SYyEV21bn4Nho"
    "dYcHHVOo8hjyKq78uwgipZCmn5FbMd23laB/tRdLBIpHU6WJPrUUrN9bJwPSWJ2b/7Jdep"
    "Y4xAJK7D9hjp3qSx/5BLVnRKkE4JKmXmSr6UoJf0DXzxtMVKposgGFB93lMQqJ4FAmmA4N"
    "B8dB3PIYdRLu5Z+HC7DE5HgjVZNrxMZOaYUjKeHiZb/1SpQTDviTy2cRfT9HUcrIx+AI81"
    "CbibPMNCXRLEEDc9d1g5JFHlXZXUquSYHB0dBTFf9F953q+cUYNHvL+fau/ef3j/8/Hp+5"
    "9hiHqGRcuHFTxp3nRjltPEBtlVxOeyINBOl3xOF3geC4V7XyEnklj/Tdg8HesU0rjOahqS"
    "/IdYptjaex6SKg+uaUmTiyO83kvIlL91WjerfTNxN0xM+OAJ4r4ZE6/uqidM4U62WyxOt7"
    "sPovIC0G/FLSbZZIrouE6a9mnZNAP6GF0M+SESHpTxdtm6Pb9qkM/txkWz0/S/gYW1pjqx"
    "CRpMTw1tN+pXcUkPks525dSVoapMOefXVNq1ptqSYb7x6RSAEpJNi4K7oCmz/vJiqPqvnj"
    "BGbEKLTKAJwu+aPkv27u56ntRO9uwXfj/drXmc7GGTOa/xG6bR7je91FH7NUuA7haWOtIg"
    "3eh74V3kLR0otGGBWCp38TUTgiptLa3giddXfabaiRpVwD3sUxyRC5ujc1n5dgXBKRSzvW"
    "xnwBx09b6+v3fcoLTq/T18/SaOvL9/k+4r3sB5e7zH225Q7FWOFC1WelXEbEAe5uixMx2C"
    "ispPQas5EFUibCDx74HA2+nicDaCN1M5rbmYweX9pDY6lAzLkfW4KgqpPNlYrkxIG883NB"
    "0hve0BuE3kzCYTasCZmHhFDMs2xoKM6BMWliQUBCILnIkUE+Oyvd/eU/uSVD1zSvEX76H9"
    "cVkU2kH+sg7yJV9yJ3a7OnkoQyFbvNoJODNN9jBJmS32yltV9zBYPfZKBAKqim2cYEAiHo"
    "0IRMjuzfyDL3V028HiRfi3x+udThNMs5vuGVn87PFuq3V1RvBvj3d+73Qb12fEO+ZkyZaL"
    "HUn2NUXhy/aRB+PLzJbSesen1JEmTYnOndvwttMMn1eIKob6A5BtC/ZFy25xP4cvJYL7eT"
    "MO7O31eQPe8jdRB3lS+mj3VrZUOVz3VkTdzatMRYi0PqUdXNrBVQJ0t+Dg8j70TeDbXZzp"
    "QMGNyMRS+bh86NNcXEuurPBweU+We8WkEfI+nQUWlb+OEawxy7JnuFiRUG6ja6bqJzKil4"
    "dK9DqhspBwcG3wvHqF5P46fqQps2zkDFUlIDiEVXt62z1tBWzFCtAqq1ZZS6lVlXqtSdtN"
    "X2KC7atVKtRc8gcM0SON22lPbWPkbaeN2s+QcQM3blUJiWeEUWOkSkLYqPUApoKBcuRH0W"
    "yQWopoZFt+FBD/AxWACUkmdK6WjqSoXbu//DraWWjqgbHRZS6ouWFbRD/X6lw51DmQcdJN"
    "yRXNF/NYUu8w9fzvt43bxmVBmH2qM+Ide7x9e3PTvPn1jPg/evyu3uyqFv9Hj3duLy4ajU"
    "skW/zs8Y/15hU2eccev6jfXDSuVNPiZzliJaoYWJK32dmqC4LdL/JYI5hV91fioXwMBxap"
    "AGMT80f9nbW/vxjXVrJZJ0xS/C6LMChMozOJ18c+WEpQMJgYIzsEi3bXIUUPwiLv/JJCv/"
    "Hrv/FDalquwwDXQSH3TZzuEN756Lx7XMsx7x7XMudd7ErHerLMX8wrYVJIDwHxXUuZAEaH"
    "SWeuIEnwYGUKQyr9eskM+8OJDaYyKFM1iXlmOtti/O5y2d5uS7hsOCcNHsBwpZ2+11e23I"
    "6RHYIQ2Xa9YrBmHXRiPMyLVkCPE5bfC1vpjhiZAtyGOaUWmY1sMJvGi12qd1u/GH0LVt8v"
    "yr1e6CP9FLq+Vpnra+lIV7aoO9xIVyAsi3M9Sqm/7TJ/20OTm2K0FptjpJrPZeazXpy9YW"
    "UoUvJuLWB1peaVAOt8a51vXWZgdfKKLiiwB9A+X1Agc1bbGLyhIrIHjXJ0RteLBn6IRQNt"
    "l3ckm1Yy8ttUX/W5HLdlWbd8iW44/BeVGqYIvSoUcJ5FDQvsWtSx8ApRBEvRRXry2vefct"
    "1SEjq/bFeqYHZ+2SGXNsgopvxy5QvG8IDpMaLnU/kC2jKvk69cty4bV2dEHaKlCuqfP7db"
    "X+rwf/AL2n5tqOIGePDS+7zcPqBs1286H1vtayAPfvb4Ofy8+HRGvGNOFm45he8QNyRTsS"
    "dVULpKpG1buL00aupDXEDGoR0+IyqJQ3N/R9tflbOHebJ+YmvB+aKy3cRYoP2t+fmzovR+"
    "lOM7oxIrOqdYfpnTVIhid7PUuy1N/pueiV4o83h/HP1bzGotArvOrdS5lTq3cr8R17mVe8"
    "CJDeZWliiBoqRev4OIrOsMih+Dz7qSqo5ElxNYHYl+yUi0424kUOqXQjhQWJeisGyxu8YT"
    "U3edGrzzOqvPRu8YjisQvrPsR9yKVJEdEXSzqtNhxQhVlBXHejXklxXofyGmFApcMmZzHB"
    "orTy/Yn5kV77d5QSyFj2dsta/JGGZPgaXoDXui4kOK1qt5b0pVEcO2BhhAXJ6KUAsufubF"
    "GTE+Q4amJZkjVEUMEzcTtMZeeQx/29YeV8M6f78Kapep/+GO6BN7/eb+Pmd9jMzAY1nm+k"
    "IBSHUl/PN+z2KP8B4V8Of6o8sccXwxd67aDqJfDM8ITZlRrZwzDDzBnZIZfM+M0MG/YaLm"
    "ksCEIqkgM2ycMAclHdy5TeQIBA7IlhcK82old0vWAyaoFF76tyD5Djj3x7wukmiNQCSgXF"
    "Eo0h9f5tB1adzgUzq37LQcv+xYT4hkH8r7lDbaU9wfp/2tJfXDJTwcL2QvXlmTC2pZlTRz"
    "MeirrrQWLWvSN2BYAWPRT2DA2sxYtXnq2E/mgDlHpG5ZxFWbiA3NRxcgVhuQoeXlSlwh7t"
    "gTTHQTjDhglaUbhps8+ToFCUOhDlV8cGlH6cqDJbHOXkrZ2iMhWnjdoF6IuTFAA5FVRIUN"
    "02g1Nocaq7JAiyC8ICgzvJW6CBY2GCD+LPvRZWeLOfB/1DPo1NadciSZ1brvxV0NaoxYir"
    "hfmXuzJNI7sxVIuVHZqX1VaDvlQzk3HzO9oHHKg6lv9r+12vHxh9rb49OfT95/+HDy89uF"
    "WzPZtcq/ed78FQGPMCbJgaDy6hosSJBqHqzHA094rMWDBKnmwZo8AKW174oUuX/JDHNCrQ"
    "z8Q2RxP5RHd+TTb4sNlbcvYJ5eNi6a1/Ur0Hqq797GpHww6b5PKEQ6nVunc78c4rtO59bp"
    "xGuxYh/c25FoHLAA5t++F5ZXE3F/kjKLf7RsmrWVduYpYrwf4jkO6su7bN2eXzXI5zZMKJ"
    "2mH1Ra8Fd1RmeXdqN+FfvQBq6jtk4sCnuMTmOdA+vA19I3LFusJdzSz7A3qfSVuxHzPVA2"
    "58wLGKjUlWUwhsyoIN7jfX+9370TiGXJxSvvh6jz7nXefcnR1Xn3Ou++ugT9sz+zXThswL"
    "g0aXpKRcqw6srsiqUysKDIvRt3QPtKYMp6FQNDlBPGn5hlT5mXf44J8TB1gRgQfg6qqoBi"
    "Ysq7VHO2K1xqpeacbukSqUW3EuI6FO9UIOsSXOVLtNCB7B34sQ6xTtOa4G5+Y5YHKljfdV"
    "ISBbK9g2Ea7RYs7hYcF9tuaFz6bYbAIjaNES4R6zQu2jDmt8bvHTJzYLJX0x/KT5w+10rM"
    "2LxAwRubskFfiXW4rbR4G6fOPMOuSqGOR/znkonScGcjAX8/gXvxHQC8582bevv39A/hPC"
    "Xh+/z3bqMe34GLG858ip7uwnxIkGomrMkEwK8/MtNqc68QSiGaMksmXOUK9wrqu0WFJAY8"
    "EBgVzEnmVueRRXmm3+zZNzH56l2asnE/3F2atENPO/RK6XnK59B7If9Tkz+ZkvqPnvQ7hb"
    "qrK/1N5mJgXjcTJ0saz7PD7Qd7MCcjKgg1DIZKCJkzeUTu79mEmtb9vef8cSbUMgUbVAmO"
    "JK5QfiQzZV3Pti6Sy9WkTqf9SyX0L3mcKaCWLQgO0PlxXMuToQ+jVpiCiYQ0x04rspgvPz"
    "+gLTPWldbdTaN9RtShx+uX182bM6IOPd64bHZb0Okde/xLs3GHg73jOgry5nPxvVwYkIIp"
    "e16vWPAeodoMg56XO2uwp/Op/lPt5JS8HrGvb/xdOoi6+yqZKa+KKQWzhkE0YQwTwVqmy+"
    "Zdh2rCWmdP5wRh+TXZ5J7OuIrWfBxJzPx4NJ+Ytz8FSAQyoWMmsHTSo21vIPujyG7P2p78"
    "Ae1J9nVqwtnW4HqU8gC5vidczpVUpd0G2m2g3QZF3QbAsglzrtnkQVm/ScdBZEB1petgqI"
    "b2J2psTu9Bx54wZceDyqBseYsNJZjpC9Cqaose6HDYxH5SZryEQeistuHdUtu7zUGnQE/A"
    "k6rmwQhik/QhbPdSuTwJ6HzoB1VAtC+hVL4EfBvW0BFCZPujICh1XQV81A1+tw6+d8pC8C"
    "EW+LhCJFpF0DnYWvcqAbpbyMHGz3wT6N765zlQYEPSsFT6bJ05pjFK1WT9rtU6LF0Oek53"
    "zcb0O8p0p8nP7AofaUIzpZ6Bz8BdO2/zO582UqU4W7XL3Pw920EeIilz+GLNUFHt5CRPMa"
    "eTk+xiTtgXKwM3nRZB2B9+gOi+y1Uq692KUlnvkqWy4IqSpeWgYZ3YDKf1kkRX3S1YdTeh"
    "hO1yPvv2X/+xf2Y="
)
