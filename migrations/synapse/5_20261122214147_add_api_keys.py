from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

WORKSPACES = "string_to_array(NULLIF(current_setting('app.workspace_ids', true), ''), ',')::uuid[]"
SHOWN = "secret_hash = NULLIF(current_setting('app.token_hash', true), '')"
# Whoever shows a key's secret finds that key, to learn what it may do, and notes its use. What a key is for never
# changes, and no key is deleted: what it did stays named.
POLICIES = f"""
ALTER TABLE "api_keys" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "api_keys" FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ("last_used_at", "revoked_at") ON "api_keys" TO synapse_app;
CREATE POLICY tenant ON "api_keys" USING (workspace_id = ANY({WORKSPACES}));
CREATE POLICY bearer_sees ON "api_keys" FOR SELECT USING ({SHOWN});
CREATE POLICY bearer_uses ON "api_keys" FOR UPDATE USING ({SHOWN});
"""

TABLES = """
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "prefix" VARCHAR(32) NOT NULL,
    "secret_hash" VARCHAR(64) NOT NULL UNIQUE,
    "kind" VARCHAR(16) NOT NULL,
    "scopes" JSONB NOT NULL,
    "allowed_origins" JSONB NOT NULL,
    "created_by_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_api_keys_workspa_d82863" ON "api_keys" ("workspace_id", "id");
COMMENT ON COLUMN "api_keys"."prefix" IS 'The secret''s first characters.';
COMMENT ON COLUMN "api_keys"."secret_hash" IS 'SHA-256 (hex) of the secret, which itself is not kept.';
COMMENT ON COLUMN "api_keys"."kind" IS 'SECRET: SECRET\nBROWSER: BROWSER';
COMMENT ON COLUMN "api_keys"."scopes" IS 'Array of strings.';
COMMENT ON COLUMN "api_keys"."allowed_origins" IS 'Array of strings; empty for a secret key.';
COMMENT ON COLUMN "api_keys"."created_by_id" IS 'The principal who made it.';
COMMENT ON COLUMN "api_keys"."last_used_at" IS 'To the minute.';
COMMENT ON TABLE "api_keys" IS 'One key. The application may change ``last_used_at`` and ``revoked_at``, and nothing else of it.';
ALTER TABLE "runs" ADD "api_key_id" UUID;
COMMENT ON COLUMN runs."api_key_id" IS 'The API key by which they did, if by one.';
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    return TABLES + POLICIES


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "runs" DROP COLUMN "api_key_id";
        DROP TABLE IF EXISTS "api_keys";"""


MODELS_STATE = (
    "eJztXW1z4riy/isqvsxMFZs7k7fZy9y6VSRhdjibt0PI5OzZbIFiC/CJkVhLDkPt3f9+1Z"
    "INxi/EZngxjL4EIqtt87Tdaj3dav1V4ROKR5wc3HPiVWrorwrFQyK/zB+oogoejSLN0CLw"
    "k6u6+rILV32euPCwJWRjD7ucyCabcMtzRsJhFLrW0Uj2ZRSNHTFAGI0w52Pm2Qeo2yVD7L"
    "jdLnI4oswbYtfhxK4hiw1H2CN2FWFqI586f/ryxCDPfIE80seejQRDFpZ3C3dhM0vehkP7"
    "m7qg7tIRrE/EQMH4+x+y2aE2+UZ4+O/oudNziGvPoezYcALV3hGTkWq7v29efFY94cc8dS"
    "zm+kM66z2ayDuh0+6+79gHIAPH+oQSDwtiR1RAfdcNVBU26TuWDcKD3xbcqj1rsEkP+y4o"
    "svI/PZ9aoD8JjEcOHJsfUDLuOPb/BvcX6dvpXN+0O3eNdqdTSSgf7iOmnqDJYhQeHIcKQO"
    "uvv/V5Z6io1gpc4PxLvfX26PSdwoFx0ffUQYVZ5W8liAXWogr5GdRK20m0zwfYS0d7KhAD"
    "XN7qeqAOAVoDpJUh/tZxCe2Lgfz36PD9Aoy/1lsa5sP3CmcmX2n9ol8Hhw71McB7hq/6LA"
    "Bv2H816IYNM3hnFmjj+B6+z4Ov7JWJrzo2j29ouToDzAdFgE4IlhnxCvb6jB460vo6FN1+"
    "OUcaedQDCy0SBn5r6rA8AmB1sEjq4kIeEc6QpOtjXjKmDDsQPQi/lEc1+V8G+QPtG+pOAi"
    "O3APx286px165f3cLlhpz/6Sr86u0GHDlUrZNY69vTmJ6mJ0EPzfYXBP+if99cN+KDxLRf"
    "+98VuCfsC9ahbNzBdsQeh60han/D4N17jowp0PCEreexdAQ6iSPskGX1TR4aHg7jLZjivt"
    "IZgAu3GXpiLdKTP2TQZs+Eprpqcx0Wu2ye7ip9Ftk3p+92QwlS/RHrSU+KE87lkQNUd13d"
    "zucOIC4tEpFuVvC/9Bi6XelHDRxLOmKWJVtDMQt73gRhDp2hV9KN2/C1X/fofq+QbyNHYg"
    "iv8R/Gv9u+fzdTdRHI56VWCX3SCG/S4fsejGeYqneksMMxL1Ve77ly96X+0+HJKXo7IN/e"
    "gQGRL7u2C6GtcAQnbk/PEAV6JqPlPJDT4xwOyOlxpv8Bh4z78WO6H1GtR8acglqfl9xDre"
    "+IlkNMFqrZ50u92RGxFSg4eB7XPd97GEinzhFoLF0w8s0aYCq9X5jtge1F3FfOGvNymt19"
    "ego88iKHomUehHnJnXsW+NSNJ/L8NiLYcyc/4AMAvHpBdzYisl5ftiy2/RVnNjF3n0c3Ce"
    "1nOQdy+vRXMlEAN+V9YGqlEpWxAMluYjprnb3mHh5Pp7LRJ0r+eJu4RGj3v353Xr9oVP7e"
    "EhtyRYZPxOMDZ1RJ40Iih6sLmZDhtGPuEBZA8oajkYstAiwlRmPmPfOR/DctAPVa9xSy4f"
    "fKtEuAfaiGPxI8xNwRQ0Jsl4TwmJsRBGlQf5gwKfOjdiBbanr+5uG60aoh9fFI6xdXzesa"
    "Uh+PtHHRbN/Ig/rzkX5tNh6gs/5cZt784TTHvPlDfIyezZvhkJk3m3mz8aRWSgvGB6e8mM"
    "blDLCLXdQpXqvwUx+iJ9tNdF91VuMPWLrHGrcMZhaws7OA2UOdNgmYe+QXzAGmj03uKYAg"
    "FNNkLGD+iMkLK4uNXeSym7yl9SbKcNfvF8E37F/euOGS6J4e5QkCHmUHAY/MZOZHncyUJQ"
    "epaZPhiMkxzppI5yh10I11WTzyOrPOnWcyKZCJJD0SnfIjxVRythOEDiw2IrUoyVZFzFOR"
    "fXBi0FiOxAT+lX9VWH/WEU1IypC+7oul0n/qxIHDJa+ZQvtF3mDD/JXAjYhqLHfyUUTGzI"
    "Vjg9uzNh553Yag+z56ZScnebyyk5NsrwyOzaPrEflLuSic2xWXKzPe6fldQ19g6PBG2mMJ"
    "hlrkA7bcoSO/LNld8q2QP7CgNZkTKr85qTwMsJjTCBpiOxlBW6eNMQ60caA360DX5WMgUv"
    "1mfWSxu4yhT26SCq5gIyVzgNTb5ghkMyL9ViGtHpg8ZfleiAfZNvwTkp4X8nzKkcDPym9F"
    "rvMiXV+aGthe+fnzpN3HKV4T+S6H/2totPXSaNE7S8DcJt9EOswxsaXQ3kz230oyfRv/as"
    "8NQiGkb6/q/3o3NxBd3lz/EnaPqOD88uYshjyYqE5gwwq6ZCmi5XfMNjzPMz7Yj+KDzcVd"
    "R/aSWp+XNFovi9ZTUpqDu59pHXvWQJrEZdQeE92ZpPYfcgGLSRAyCUKlzGPJlyC0TW7gq/"
    "YWK5kUQdih+jpTELqeBcJqEsGe0/c9TchBzIvqGb68XSJPh8IVWkw+TGjsOUIQmh40W/5U"
    "qSEx/Yu02qgPSfuJqJjhATblvi/gAbRqEnA3acYMdSYQQ9zRdFg5LFHlQxUdVtEROjg4CC"
    "PAwF9p9itn1KAP9/fT4Yfjj8c/H50e/yy7qN8wbfm4QCfN63Zs5jRk0nYV4VymAoZ0yUe6"
    "yN/jgnHvKOR4Eut/cEbTsU4RjfusjiXQ/yHX4Wt7ziNW5cl3XOFQfgDX24ZN+cfdzfVibi"
    "ZOw8SMD5wgzs04cHVf/cIU7WTTYnG5zb0QlS1AvxZaTJDhCNDxvTTv02U4A/qYXAz5Hgju"
    "1eTt4ub+7LKBbluN8+ZdM3gHprM1dRCaZIOj3dBWo34Zt/TS0jFfjHwRqdiUc3xNlV1qqC"
    "0Z5isfTiVQXJBRUXCnMmX2X7aGavDocWtAhrjIAJoQ/K7hs2TP7qbHSUOyZz/wu0m35iHZ"
    "o1PmvJPfqIyh38zCR8NrlgDdNSx8xGG60ffCO81b2lNoowaxVHTxFeEcK28trfyJPlZ9pf"
    "aJ6lWAHg4kDtA5o0AuK26XIxhCIduLeTbxgOp92+16flh2tduVb78DPbvdd+lc8QrO+0gf"
    "acsPC8GKgZKFKrBKmNjoaQKMneMhcFR+Clsdm1cRZ1IkuAckn04fupOBfDIVaU35WF4+SG"
    "rDPUGgONkjVSUiFZMNxcu4YHC+nuNxobcOoAyJMUNDbMkzEf4GWS6znjka4BcoM4mwNIgk"
    "JBMxJMZls9/6VweWVP3mlDUh+kcH/bIkDEG+XYJ8ppfcid2+SR7KcMimj3YCzswpe1SkzD"
    "P2yntVBTFcS/aGhwaqCm0UQUAiHo0ITcjmp/l7X/jo/g5KGcHfR1q/u2vKqdl1u4amXx9p"
    "++bmsobg7yO9++2u3biqIf2ZUyVrLn0kyLcUhy+bIw/7l1ktpWXHR9gTDk6Jzp0x+bTjDM"
    "4rIhVD/UmKrQv2actmcT+Tb8oc7mfNOLD3V2cN+ZS/myfIk9bH0FvZVmV/6a05dzevMzUn"
    "ZPwpQ3AZgqsE6K6B4NIv+irwbU/PtKfgztnEUnFcAfRpFNdMKwsYLv3Lcq+YtCLsUy2cUQ"
    "XrGOVszHXZGBYrIkwZUDPVIJERWB4sgHUCZyFBcK3wvGaF5O4SP8IRWXPkDFclFNiHVXtm"
    "Sz4zC1jLLMC4rMZlLaVXVeq1Ji0/fYkJtC92qcBzyR8wBEYattoeMWugt9oG76dHqAWbuq"
    "qExBoi2BqokhAMvB6JKSfSOQqiaExaLSU0YG4QBYT/pAtAuEBDPFFLR1Lcrs1ffhnvLFrH"
    "rYrml7mA5wZtc/65cefK4c5JGyf8lFzRfDGPmfQGU8//ed+4b1wUhDmQqiH9+Uhb99fXze"
    "tfaij48kgf6s22agm+PNK7+/PzRuMCxKZfH+nnevMSmvTnIz2vX583LlXT9Gs5YiWqGFhS"
    "t9nZqlOBzS/yWCKYVQ9W4oF9jAYWMZeTTcgfDXbd/v5iXGvJZh0SgeG9LKKgqIzJJF4e+3"
    "ApQcFgYkxsH2a0mw4pagiLPPMzCfPEL//E97Dj+h6RuNqF6Ju43D488/Pj7tFhjnH36DBz"
    "3IVD6VgPZ/mLeS1Miug+IL5pKxPC6BHhTRQkCR0sTGFIlV8umWF3NLHCVAY1VU1inpnONu"
    "2/uVy29+syLivOSZM/wPIFS9/5K9tux8T2wYisu16xK4fQDjAbxCuyejIutsVH+H0C3MoX"
    "NkZDTCcofCA4sh0oV/Ki8r8/IXmzHKqYYgHJ36MRUbnqfcbsIGHdZvSNQBbzt1YiggvsAb"
    "v0NClamj4uWH56vNIeEDSS8FrOCLtoPGByPvs83Ux8o4Wl8ciB/SyKrr2bk/oOxDe0XzcA"
    "Xr9tql0xniZIrYcAdnQiXxS7ipwetKYVD14n9BbwbW4nKFS/XDgw/RSm5lyZa86Z6G/2qL"
    "K/0d9wnCqu9XlJ826X+d3uOdThg6XUHBM1ei6znk3BglX7odEykEsBa6qXLwTYrEEwaxDK"
    "DKxJ6DJFNnYA2teLbGSOaiuDN1JYea9Rnh/RzUKaH2IhTcund4KMKhk5n+pY9bW8z1mpw3"
    "zJn9D9k0qXVIK6Mos8z7SuCxya1nbRxVnC8gw8PaHz+0+5bHkVk3O5KVcwO+dyn8t9ZBQY"
    "315Jj2f5A9Pjpq+nt4ayZa4dUbm6uWhc1pD6mC/fUb+9bd18rcv/w2+y7ZeGKvgBHzrlVe"
    "e7SslW/fru803rSoqHXx/pmfx6/qWG9GdOFa45rXUfN+lTUShVZL2KBGMubMAOnnoPFlVS"
    "2a4jtB7O/R6tf6XaDuaOB8neBceLynqTxaXsr83bWyWpv5TjPcMCqpynzPwyh6mIxOZGqQ"
    "9rGvxXPRJtKRt/d4j+NWZ6F4Hd5BubfGOTb7zbiJt84x3QxArzjUuUQFFS1m8vIusmg+LH"
    "0LOpLmwi0eUE1kSitxmJ9vyVBEqD8iB7CuvMFJYtdtd4IequU4N3+mD11egdgX4Fwncu68"
    "P2vErsAAHNqk4HVVRUoWLoq/dVmO3K8Ak5gitw1aoA2TW2ZQMnf2buArHOC8L2EHDGm9YV"
    "epajJ4ftGSw2VPEhJav3gXCEqhLDXBsCiLNTIezKi9d0nBHiM6jnuIJ4XFWJcWCDTfdZl4"
    "wJtjJ+pKrb3T8vw3p+6n95R/iFvH3X7easGZMZeCzLWF8oAKmuBH+Odyz2KJ+jAnxu0LvM"
    "Ecet0blqi5ROMTznZMqMauWMQOBJ3ikay/eZIGz/Rw7UVCA5oAjM0Rgah8Trq+WCgiExkA"
    "Yn/yqpVWvDOLlrmj1AgkrhVZdTkdKv/tt0ojUAkYByQfHUoH+ZQ9elocFHeOKytBy/7FhP"
    "RGQXSl6VNtpTnI8zfGtJebgEw7Gl+eKlOzzHrltJmy6Gx6oLZ4uuO+xYsluByWKQwAD1yq"
    "GS+chjL45NvANUd13kq431ek7flxCrTflg5uULWJzvsSEkunGCPDkrS58YrvLkyxTpjIQ6"
    "/oCCnLN5lKnGWZLZ2bacrR0yooXXDZqFmCsDNDRZRVzYqIxxY3O4sSoLtAjCU4Eyw1up83"
    "BhgyXNn8v6PqlNx8D/Ur/BpLZuVCPJrNZdL3hsYWtAUsz9wtybmZDZrbBAyo3KTu2o4vMp"
    "L8qZ089kQeOSe1Pz778PD4+OPh6+Pzr9+eT448eTn99Pac3koUX85lnzFwB8TjFJDYTViJ"
    "dQQULU6GA5HWjjsZQOEqJGB0vqAAow+jzF7l8QyxliNwP/iFich9JyB4H8utRQeb+F6elF"
    "47x5Vb+UXk/1w/uYlQ8H3eOEQ2TSuU069/YQ33Q6t0knXkoVu0Bvz0XjpArk+NvRYXk1EH"
    "eGKaP4Z5fhrO3lM08R030PzrFXb97Fzf3ZZQPdtuSActcMgkpT/aqD86NLq1G/jL1otu+p"
    "7USLwh6TM1jnwDrkWjqWy/hSxi39DDuTSl95GJCAgWKUEh0wUKkrs2AMGmOO9M/7/nq/O2"
    "cQy5KLV94X0eTdm7z7kqNr8u5N3n11BvptMLKde8QmVDg4PaUipVt1YXbFzBmYSuTeoT6U"
    "fcMhZb0KgSFMEaEvxGUjovPPISFeDl3SDPAgB1VVQHEg5V2oMdvnPnZTc07XdInUolsJcx"
    "2JdyqQTQmu8iVamED2BnisfazTtCS4q9+s6Alz0vG9lESBbHYwKmNoweK04HOxLbieS7/1"
    "lpwRw2Y3rIfuGuct2efXxm93aOzJwV4Nf2A/YfhcKjFj9QYFbmxE7I4y6/K20uJtFHuTjH"
    "lVinQ84j8RhJdGOysJ+AcJ3NP3QMJ71ryut35LfxHOUhK+z35rN+rxXemo5U1GwHQX1kNC"
    "1ChhSSXALlsDJ6029wKjFJEps2WCVa7yXqX77mIukCV/kJxUEC+ZW53HFuUZfrNH38Tga3"
    "ZpysZ9f3dpMoSeIfRKyTzlI/S2xD816YsjcPDTk7xT5HB1Id/kTDvmpZkomsloZoeyJ2ZP"
    "0ABzhC2LgBOCJkQcoG6XDLHjdrua/PGG2HU4sasIeiKfKx7JSVnXs66L5KKa1OkMv1RCfk"
    "lrpoBbNhXYQ/Lj6DBPhr7stWAqmEhI81hakcV8+fmhbJmxrtw8XDdaNaQ+Hmn94qp5XUPq"
    "45E2LprtG3lQfz7Sr83GA3TWn8s4yKvPxde5MNIKpuwDv2DB+5zUahT0ut1ZQj13X+o/HZ"
    "6corcD8u1dsEsHUndfDbYQdgQnbi+MJjzLgWCpqcvqqUM1YC2znXZCsPyebHI7bVhF6/QH"
    "AjI/+s4L0ftTSIuAhviZcCidBJufb3a3ZzOf/AHnk+TbyJFnW0Lr85J7qPUd0XKupCpDGx"
    "jawNAGRWkDqbIh8a7I8EnNfpPEwVyH6kLqoKe6doaqb0724I4NiZrHS5dBzeVd0hNymj4F"
    "raq26JEHPDJkL2oaL2QnIKuZfLbU9m4T6VMAE/CiqnkQBNgkOYT1XioXkwDkQyesAmK4hF"
    "JxCfA0LOEjRMR2x0FQ7roK+Kgb/G4ffOechfBFLPByRUSMi2BysI3vVQJ015CDDa/5KtC9"
    "D86zp8BGrGGp/Nm6bzsiuwB65PBiXxZDx8JF0K0Bpn1ygB50Ue+wEo+UpBxrJymgMHVPlR"
    "6ty33jvkS7po7J23IdS4e6wNtk1J1AArXqDTxNet27TV0ciqM3BQJoORoRNnL1qWAX2j6H"
    "KJvyk8c60RuIWi3ag/rngkEpdY+NVf10nQcu3WtfuM4LUZLDpQvvmfJ65fCkTZXSvfSZtQ"
    "0pEmWaSZQ5BFiaXHMJFyu0VGIqUGZ4wXdSA4eEtqYWB/0EQfhwRdCSOc9rCHUrNFMnMK9o"
    "IH3yUqo0z7pONK/fNhXz5YiaSoTpHByUJFgqsCdH+oLozwntGPyaJQUFSP9IFUMtjS5sIl"
    "LTarLru88kdmAv38oT6TFP+6y4J4hXRQRbAzBN7Ok/RN6wNFhw2k9qDx7pmyJOLI+IvLZq"
    "gT7WUhXesC+GfSklSbCQfWlJh7TVPG9vjyoYOVJflVSaQB+qLqYIRg4srSlAD8ASL7VTWX"
    "ySHUzIu13g5Du+LvoC24hJE9XteuSFPQdNejJNmZpsIyIvBZN6J5nztJELmln67s7SzbLh"
    "9da2Hnmk53wrgvBMoswYq9ihdojecKQKsn3vsrHVL2HV91c4LTYmtmt5sfr2S58Y+yyhSN"
    "fK6znloWyp3xC9yrsWrPZ+pGetm4c7SBwPviyjhtVnjnOLjUhKPcDsad5MYhd28arUPQ8C"
    "GD2kgS7r9A27LhtLb4t5Tt9Jq26drZAU0Z3UzCcEOzZNkJyXIxyYsQIFETatsTAbvHBmf0"
    "Kw/FPuZGa/nEDYJG3KYVL3Ter+3qbu704ZjDIpOVdgMcpBFNVzXHZnNF1p64q4Q4f64kdM"
    "wZyRTEV1Pi+5Mxr/Id9tE5swsYndi01sPYuReI41qKSGJvSh6uLQxKzTa4GJbGBfJ/cL0f"
    "jZ+5SlveApuzIFWtw01ZbfD9e7Mh1+OP54/PPR6fF0M6Zpy6I9mML9lrIJ+xfi8YIJWBGR"
    "MhNmy9L2Jyd5aPuTk2zaHo7F2Bj5VhVAOOi+h+h+yBUU+bAgKPIhGRSRVxQkrZIe0CwZ8/"
    "eZyC5wW6twA1ZGWiUchk2OZ3//P3TIq04="
)
