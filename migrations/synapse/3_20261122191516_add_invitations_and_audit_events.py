from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

WORKSPACES = "string_to_array(NULLIF(current_setting('app.workspace_ids', true), ''), ',')::uuid[]"
USER = "NULLIF(current_setting('app.user_id', true), '')::uuid"
# An invitation shows itself to whoever has its token and its e-mail address, before they are in the workspace. Those who
# were in it go on being seen there, and nowhere else.
MEMBERS = f"""
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
# The application adds to the record and reads it. It may neither change nor remove what is there, by what it is granted
# and, were it granted more, by the policies, of which none is for that.
AUDIT = f"""
ALTER TABLE "audit_events" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "audit_events" FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON "audit_events" TO synapse_app;
CREATE POLICY tenant ON "audit_events" FOR SELECT USING (workspace_id = ANY({WORKSPACES}));
CREATE POLICY append ON "audit_events" FOR INSERT WITH CHECK (workspace_id = ANY({WORKSPACES}));
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
CREATE TABLE "audit_events" (
    "id" UUID NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "action" VARCHAR(64) NOT NULL,
    "actor" VARCHAR(320) NOT NULL,
    "actor_id" VARCHAR(64),
    "target_id" VARCHAR(64),
    "detail" JSONB,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE RESTRICT
);
CREATE INDEX "idx_audit_event_workspa_3be581" ON "audit_events" ("workspace_id", "id");
COMMENT ON COLUMN "audit_events"."actor" IS 'For reading: an e-mail address.';
COMMENT ON COLUMN "audit_events"."actor_id" IS 'As the API has it: user_...';
COMMENT ON COLUMN "audit_events"."target_id" IS 'As the API has it: member_..., agent_...';
COMMENT ON COLUMN "audit_events"."detail" IS 'before and after, each an object or null; without secrets.';
COMMENT ON TABLE "audit_events" IS 'One change. Written in the transaction of the change and never again: the application may only add and read.';
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    return TABLES + MEMBERS + AUDIT


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP POLICY IF EXISTS former_members ON "users";
        DROP TABLE IF EXISTS "invitations";
        DROP TABLE IF EXISTS "former_members";
        DROP TABLE IF EXISTS "audit_events";"""


MODELS_STATE = (
    "eJztXW1z2siy/itTfElSRXwTO3H2klu3Cttkw1m/5GAcnz3rLTyWBtCxGLGakQm1N//9do"
    "8k0CuWCC+CzBeDNdNCelrq6Xm6p+fvmphyOhbs4EYwt9Ygf9c4HTH4Em+okxodjyOH8Yik"
    "D7bq6kEXofo8COlSQ8LBPrUFg0MmE4ZrjaXlcOzaJGPo63AyseSQUDKmQkwc1zwg9/dsRC"
    "37/p5YgnDHHVHbEsxsEMMZjanLzDqh3CQet/7y4MQo73iSuGxAXZNIhxgUrhavwnQMuAyL"
    "Dzb1g36XnnQGTA4VjH/8CYctbrJvTIT/jh97fYvZZgxly8QTqOM9OR2rYzc37bNPqifezE"
    "PPcGxvxOe9x1O4Ej7r7nmWeYAy2DZgnLlUMjOiAu7ZdqCq8JB/xXBAunhvwaWa8wMm61PP"
    "RkXW/qfvcQP1B8C47MAyxQFnk55l/m9wfZG+vd7lVbd33er2erWU8vE6EuoJDhkOxwfH4h"
    "LR+vu7f945KupoDX/g9HOz8/Lo+JXCwRFy4KpGhVntuxKkkvqiCvk51ErbabRPh9TNRnsm"
    "kAAcLnU9UIcArQHS2oh+69mMD+QQ/j06fLMA46/Njg/z4RuFswOvtP+iXwZNh34b4j3HV3"
    "2WgDfsvxp0wwNzeOcWaOP4Hr4pgi/0ysVXtcXxDS1Xb0jFsAzQKcEqI16j7sDhhxZYX4uT"
    "L59PiY886aOFlikDvzV1GC5DsHpUpnVxBi3SGrFsfcQlE8owA9GD8Et1VFP8ZYAbNK+4PQ"
    "2M3ALwu+2L1nW3efEFf24kxF+2wq/ZbWHLoTo6TRx9eZzQ0+wk5Lbd/UzwX/Lvq8tWcpCY"
    "9ev+u4bXRD3p9Lgz6VEzYo/DoyFq33Hw7j9GxhQ88ECNxwk4Ar1Ui3Po5PVNN40OR8kjlN"
    "OB0hmCi5cZemId1ocbGXadR8YzXbVYh8Uum+t3BZ8F+hb03a44I6o/cfrgSQkmBLQckKZt"
    "+8dFrIEIsEgM3Kzgf/AY7u/BjxpaBjhihgFHQzGDuu6UUIGdsVfajdvwb2uPbhc8urlyy0"
    "Ael1ol9Gmzu0kX70cwnmOq3orSLkZcqrr+cu36c/P14ftj8nLIvr1CkwGvt28JQutgScHs"
    "vj8nlOSRjZfzOY7fFXA5jt/lehzYpB2On9PhiGqdfRtbcLYltB6X3EOt74iWQ0wWqtkTS7"
    "3ZEbEVKDh4Htc9w7sdghtnSTIBp4t9M4aUg7+L8zu0vUR4yj1z3IJmd5+eApc9wVC0zIMQ"
    "l9y5Z0HMHHcG5zcJo649/QkfAGTSS7qzEZH1+rJVse3POLOp2Xoc3TS0n2AOZA34b2yqAG"
    "7DdVBuZFKTiZDIbmI6Pzp/zV06mU1lo08U3LzJbCZ99795fdo8a9W+b4n/uGCjB+aKoTWu"
    "ZbEfkeb6Qu5jNOtYOGiFkLwQZGxTgyEvScnEcR/FGP7NCjk91z2DXvijNusSYB+q4c8E8/"
    "BHvEWTENslIVzHzgl7tLg3SpmU+KgdyFaakL+6vWx1GkR93PHm2UX7skHUxx1vnbW7V9Do"
    "f97xr+3WLXb2P5eZN789LjBvfpsco+fzZmzS82Y9b9ae1EppweTgVBTTpJwGdrGLOsNrFX"
    "7qbfRku4nus85q8gHL9liTlkHPAnZ2FjB/qLMmAbFHfsEcYPbYFJ4CSMYpT8cC4i06blgV"
    "G7vIZdeZSutNjRG2NyiDb9i/unHDJdE9PioSBDzKDwIe6cnMzzqZqUrWUdtko7EDY5wxBe"
    "coc9BNdFk88lrzzr1HNi2RewQeiZ/kA2IqHdsKQgeGM2aNKMlWJ46rIvvoxJAJjMQM/4W/"
    "Kqw/70imLGNIX/ePZdJ/6sSBwwW/maL9tOOwfcchqqPC6UYRGT37TQxnj765KOooBN330Q"
    "97/76IH/b+fb4fhm1xdF0Gdypk6WyupFyV8c7O6Bp5kmKHF2CBAQy1kAett8XHXlXyueCt"
    "gBssaU1iQtU3J7XbIZUxjZARNdMxs3XaGO0ya5d5sy5zEx4Dmekp+y2LHWSKfQrTUvgLJl"
    "EyB0S9bZYkpsPAU5Vg9dDkKcv3xFzMrxEfCXhexPW4IJI+Kk+V2NYTOLs8M5S98vM/T5Gl"
    "Q+E61l0N/1cTZ+slzqJXloK5y77JbJgTYkuhvZl8v5Xk9rb+1Y0NQiGkLy+a/3oVG4jOry"
    "5/DbtHVHB6fnWSQB5NVC+wYSVdsgzR6jtmG57naR/sZ/HBYpHWsbmk1uOSWutV0XpGEnNw"
    "9XOtU9cYgklcRu0J0Z1JY/8pl6zolCCdElTJzJViKUHb5Aa++t5iLZciCDvUn2cKQtezRC"
    "ANEOxbA8/1CTmMcnF/hg+Xy+B0JFyT5cDDRCauJSXj2WGy5U+VGQTz78hXG/cwTV/HwarI"
    "A/iqScHd5jkz1LlAAnHLp8OqYYlqb+vksE6OyMHBQRjzRf7KZ78KRg0GeH2vD9+++/Dul6"
    "Pjd79AF3UPsyMfFuikfdlNzJxGDtiuMpzLTECTLsVIF7gfG417TyEn0lj/Qzg8G+sM0aTP"
    "ahmS/B+xLbG25zxiVR48y5YWFwf4e9uwKf+4vrpczM0kaZiE8cETJLkZC3/dU3eYoZ18Wi"
    "wpt7kXorYF6NdCi0k2GiM6npvlfdoOzYE+IZdAvo+CezV5O7u6OTlvkS+d1mn7uh28A7PZ"
    "mmrEQ3DA8t3QTqt5nrT0YOkcT449GanKVHB8zZRdaqitGOYrH04BKCHZuCy4M5kq+y9bQz"
    "V49IQxZCNaZgBNCf7Q8FmxZ3fT46Qm2fMf+N2kW4uQ7NEpc9HJb1RG0296qaPmNSuA7hqW"
    "OtIw3ehH4Z3lLe0ptFGDWCm6+IIJQZW3llXwxG+rP1PtRPUqQQ8HEgfk1OFILituVxAcQj"
    "Hby3FN5iLV+/L+3vXC0qr39/D2W9jz/v5VNle8gvPe8Tve8cJir3KoZLHSqxJmJnmYImNn"
    "uQQdldfhUcsUdSIcEAmugcDT6WF3NoQnU5HWXEzg54OkNtqXDMuR3XFVFFIx2ViuTEgHz9"
    "e3XCH97QG4Q+TEISNqwJmYeEEM2zEeBRnSJywsSSgYRBaSiRQT4/LZb/+uA0uq7jmj+It/"
    "00G/PAlNkG+XIJ/rpXBit6eTh3IcstmjnYIzd8oeFanyjL32RtU9DFePvRChgarjMU4wIJ"
    "GMRoQmZPPT/L0vdXRzjcWL8O8db15ft2FqdtltkNnXO969ujpvEPx7x69/v+62LhrE/yyo"
    "kjUXO5LsW4bDl8+Rh/2rrJbKsuNj6kqLZkTnThx42mkO5xWRSqD+AGLrgn12ZLO4n8CbEs"
    "P9pJ0E9ubipAVP+as4QZ62Ppreyrcq+0tvxdzdos5UTEj7U5rg0gRXBdBdA8Hlv+irwLc7"
    "O9OeghuziZXiuALosyiuuVYWMFz+nRVeMWlE2KdGOKMK1jHCbMy2nQkuViSUO0jN1INERm"
    "R5qETWCZ2FFMG1wvPqFZK7S/xIS+bNkXNclVBgH1bt6W339CxgLbMA7bJql7WSXlWl15p0"
    "vOwlJnh8sUuFnkvxgCEy0rid9tgxhv522uj99Bk3cONWlZDYIIwaQ1USwkGvBzAVDJyjII"
    "rmgNVSQkPHDqKA+B+4AExIMqJTtXQkw+3a/M8v451Fhh7oG1/mgp4bHov559qdq4Y7BzZO"
    "ehm5osViHnPpDaae//OmddM6KwlzINUg/ucd79xcXrYvf22Q4Msdv222u+pI8OWOX9+cnr"
    "ZaZyg2+3rHPzXb53jI/7zjp83L09a5OjT7Wo1YiSoGltZtfrbqTGDzizyWCGY1g5V4aB+j"
    "gUUqYLKJ+aPBzto/XoxrLdmsIyYpvpdlFBSV0ZnEy2MfLiUoGUxMiO3DjHbTIUUfwjLP/F"
    "xCP/HLP/F9atmeywBXsxR9k5Tbh2c+Pu4eHRYYd48Oc8ddbMrGejTPXyxqYTJE9wHxTVuZ"
    "EEaXSXeqIEnpYGEKQ6b8cskMu6OJFaYyqKlqGvPcdLZZ/83lsr1Zl3FZcU4a3IDhSSd7r6"
    "98u50Q2wcjsu56xTYMoT1kNphbZvVkUmyLj/CbFLi1z86EjCifkvCBEMS0sFzJk8r//kjg"
    "YgVWMaUSk7/HY6Zy1QeOYwYJ66bDX0hiON7WSkQISV1klx6mZUvTJwWrT4/XukNGxgCvYY"
    "2pTSZDB+azj7PtwzdbWBpJH7sXVEtfLiaVfQpd+KzKhc90CDLftO1vCDI0luW1HpfU73aV"
    "3+2+xS0xXErNCVGt5yrrWa+aX7EzFKtFuBSwuoT2QoB1IrxOhK8ysDqrSFd62AFon6/0kD"
    "uqrQzeSHXfvUY5PqLr1Rw/xWqOjsevJRvXchIPVVv9ueTDeb29YhmI2P2jytlTgn55EDjP"
    "rLgINs0KjPgVQsIaASI7q/DHT7lsjQ+d+LcpVzA/8W+fa07kVLneXl2JR7jB7ODd8zmWoW"
    "yVCxjULq7OWucNoj7iNSSaX750rr424f/wGxz7taWqTuCHn3fpJ12CZKd5ef3pqnMB4uHX"
    "O34CX08/N4j/WVCFa86t3Med4lTsSVX6rhPpODbu+42eeh9X9nE47ocJXVr4PVr/cqkdTG"
    "AOMo5Ljhe19WYsg+xv7S9flKT/pRrvGZVYajtj5pc7TEUkNjdKvV3T4L/qkWhLKeG7Q/Sv"
    "Md24DOw66VUnveqk191GXCe97oAmVpj0WqEEioqyfnsRWdcZFD+HnnWJWx2JriawOhK9zU"
    "i0660kUBrUqNhTWOemsGqxu9YTU1edGbzzG+vPRu8Y9isRvrOdAe4Rq8QOCNKs6nRYykNV"
    "y8W+fnH/+dYAH4klhQKXPLIpdk3sGyDYX7lbEazzB3GPAjzjVeeCPMLoKXCPAMMZqfiQkv"
    "U3I7CkKlXi2CYGEOenItSGH2/4cUaMz5C+ZUvmClWqxMJdHu1Hv25JsJ/uHVfdrv95HhaV"
    "U//DFdEn9vLV/X3BwiW5gceqjPWlApDql/DPux2LPcJzVILPDXpXOeK4NTpX7dPRK4dnTK"
    "bKqNZOGAae4ErJBN5nRqj5HxiouSQwoEgqyAQPjpg7UGvWpEPkEAwO2JYthXm1k7um2QMm"
    "qJRe+jcT+QE4d2d6XSbRGoFIQbmggmfQv8qh68rQ4GM6tZ2sHL/8WE9EZBfqLlU22lOej9"
    "N8a0V5uBTDsaX54rk9OqW2XcuaLoZt9YWzRdse9QzoVmKyGCQwYNFsLKc9dp0ny2TuAWna"
    "NvHU7m59a+ABxGpnOJx5eRJXiLvOCBPdBCMuzMqyJ4arPPkylSIjoY4/sSrkfB6lS0JWZH"
    "a2LWdrh4xo6XWDeiHmygANTVYZFzYqo93YAm6sygItg/BMoMrw1poiXNhggPmznYHHGrMx"
    "8L/UPejU1o1qJJ3VuutVdw1qDFmGuV+YezMX0lvmlUi5UdmpPVUBPeNFObEGuSxoUnJvCs"
    "/99+Hh0dGHwzdHx7+8f/fhw/tf3sxozXTTIn7zpP0rAh5TTFoDYUncJVSQEtU6WE4HvvFY"
    "SgcpUa2DJXWAVQA9kWH3z5hhjaidg39ELMlD+XIHgfy61FB7s4Xp6VnrtH3RPAevp/72Tc"
    "LKh4Puu5RDpNO5dTr39hDfdDq3TideShW7QG/HonGgAhh/e35YXg3EvVHGKP7JdmjeHue5"
    "p0jovo/n2Ks37+zq5uS8Rb50YEC5bgdBpZl+VWN8dOm0mueJF830XLWnZVnYE3Ia6wJYh1"
    "xLz7AdsZRxyz7DzqTS126HLGCgHM6ZHzBQqSvzYAyZUEH82/vxer87ZxCrkotX3RdR593r"
    "vPuKo6vz7nXefX0O+pdgZDt1mcm4tGh2SkVGt/rC7Iq5MzCTKLxNeij7QmDKeh0DQ5QTxp"
    "+Y7YyZn3+OCfEwdIEZEEEOqqqAYmHKu1Rjtic8amfmnK7pJzKLbqXMdSTeqUDWJbiql2ih"
    "A9kb4LH2sU7TkuCufsecBypYz3MzEgXy2cGojKYFy9OCj+X2gXqs/P5PMCO2jCEuEbtunX"
    "agz2+t36/JxIXBXg1/aD9x+FwqMWP1BgUvbMzMnjLrcFlZ8TZO3WnOvCpDOhnxn0omKqOd"
    "lQT8gwTu2XsA8J60L5ud37NfhJOMhO+T37utZnJrNG640zEy3aX1kBLVSlhSCYBfb2hl1e"
    "ZeYJQiMlW2TLjKFa4V3HebCkkMuCGYVDA3nVtdxBYVGX7zR9/U4Kt3acrHfX93adKEnib0"
    "Ksk8FSP0tsQ/tfmTJWlw62neKdJcX8g3WbOORWkmTuYyPrPDnQfHnJIhFYQaBkMnhEyZPC"
    "D392xELfv+3id/3BG1LcHMOsGexBOKR7Iy1vWs60cKUU3qdJpfqiC/5GumhFs2E9hD8uPo"
    "sEiGPvRaMBVMJaS5TlaRxWL5+aFslbGuXd1etjoNoj7uePPson3ZIOrjjrfO2t0raPQ/7/"
    "jXdusWO/ufyzjIq8/F93NhwApmbEa+YMF7TGo1Cnre7iyhnuvPzdeH74/JyyH79irYpYOo"
    "q6+TiWJVLCmY3Q+jCY8wECw1dVk9dagGrGX2dE4JVt+TTe/pjKtorcFQYubHwHpi/v4UYB"
    "HIiD4ygaWTcAfuze72rOeTP+F8kn0bW3C2JbQel9xDre+IlgslVWnaQNMGmjYoSxuAykbM"
    "vWCjBzX7TRMHsQ71hdRBX3XtjVTfguzBtTNiah4PLoOay9usL2GaPgOtrrbogQaXjZwnNY"
    "2X0AnJageeLbW92xR8CmQCnlQ1D0YQmzSHsN6fKsQkIPnQC6uAaC6hUlwCPg1L+AgRsd1x"
    "EJS7rgI+6gJ/2AffOWchfBFLvFwREe0i6Bxs7XtVAN015GDja74KdG+C8+wpsBFrWCl/tu"
    "mZlswvgB5pXuzLUuxYugi6MaR8wA7IrV/UO6zEA5JcUN9JCihMv6dKj/bLfdMBoN1QbXBZ"
    "tmX4oS70Nh1uTzGBWvVGnia77t2mfhyLo7clQWgFGTNnbPunwl1oBwKjbMpPnviJ3kjU+q"
    "J9rH8uHSyl7joTVT/dzwMH99qTtvXElORo6cJ7urxeNTxpXaV0L31m34aUiTLNJaocAqxM"
    "rjnA5ZRaKjETqDK86DupgQOgbajFQa8xCB+uCFoy53kNoW6FZuYE5hkNZE9eKpXm2fQTzZ"
    "tf2or5smRDJcL0Dg4qEiyV1IWRviT6MaEdg99nSVEB4B+pYqiV0YXJZGZaTX5997nEDuzl"
    "W3tgfcf1fVbal8ytE0aNIZom5+E/DC4YDBae9qPagwd8UyKY4TJZ1FYt0MdaqsJr9kWzL5"
    "UkCRayLx1wSDvt0+72qALmWsawlkkT+E31xRTBvNNz5EA+sj+wo1fWy55fDDTrDc8ofRio"
    "cdN5XsV98JVsaJQ/d31irig5y4mIVNkPX3Kac/j+fQH/Anrl133GtoSrDW9VGS/b776H6L"
    "4tVFX77YKq2m/TVbXhFyXLWq6GzkNOfttcRG/QU9IVS3kMmxzPvv8/cxM9lA=="
)
