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
    "+8dFrIEIsEgM3Kzgf/AY7u/BjxpaBjhihgFHQzGDuu6UUIGdsVfajdvwbz/v0f1RY9/GFm"
    "CIr/Gf2r/bvn83V3UZyONSq4Q+bYQ36fD9CMZzTNU7UtrhiEtV13uuXX9uvj58f0xeDtm3"
    "V2hA4GX37UJoKywpmN33Z4iSPLLxch7I8bsCDsjxu1z/A5u0+/Fzuh9RrUfGnJJaj0vuod"
    "Z3RMshJgvV7Iml3uyI2AoUHDyP657v3Q7BqbMkmYALxr4ZQ8rB+8XZHtpeIjzlrDluQbO7"
    "T0+By55gKFrmQYhL7tyzIGZuPIPzm4RR157+hA8A8uol3dmIyHp92arY9mec2dTcPY5uGt"
    "pPMAeyBvw3NlUAt+E6KDcyicpEgGQ3MZ0fnb/mLp3MprLRJwpu3mQ2k77737w+bZ61at+3"
    "xIZcsNEDc8XQGteyuJBIc30hEzKadSwcwkJIXggytqnBkKWkZOK4j2IM/2YFoJ7rnkE2/F"
    "GbdQmwD9XwZ4qHiLVoEmK7JITr2DlBkBb3RimTEh+1A9lK0/NXt5etToOojzvePLtoXzaI"
    "+rjjrbN29woa/c87/rXdusXO/ucy8+a3xwXmzW+TY/R83oxNet6s583ak1opLZgcnIpimp"
    "TTwC52UWd4rcJPvY2ebDfRfdZZTT5g2R5r0jLoWcDOzgLmD3XWJCD2yC+YA8wem8JTAMk4"
    "5elYQLxF54VVxcYuctl13tJ6E2WE7Q3K4Bv2r27ccEl0j4+KBAGP8oOAR3oy87NOZqqSg9"
    "Q22WjswBhnTME5yhx0E10Wj7zWvHPvkU1LZCKBR+Kn/ICYSs62gtCB4YxZI0qy1Ynjqsg+"
    "OjFkAiMxw3/hrwrrzzuSKcsY0tf9Y5n0nzpx4HDBb2bQfpE3WDN/FXAjohornHwUkdFz4c"
    "Tg9ugbj6JuQ9B9H72y9++LeGXv3+d7ZdgWR9dlcKdCls7tSspVGe/s/K6RJyl2eAH2GMBQ"
    "i3zQllt87FUluwveCrjBktYkJlR9c1K7HVIZ0wgZUTMdQVunjdEOtHagN+tAN+ExkJl+s9"
    "+y2F2m2KcwSYW/YBIlc0DU22ZJYjoM/FYJVg9NnrJ8T8zFbBvxkYDnRVyPCyLpo/JbiW09"
    "gevLMwPbKz9/kbT7JMWrI9/V8H81jbZeGi16ZSmYu+ybzIY5IbYU2pvJ/ltJpm/rX93YIB"
    "RC+vKi+a9XsYHo/Ory17B7RAWn51cnCeTRRPUCG1bSJcsQrb5jtuF5nvbBfhYfLBZ3HZtL"
    "aj0uqbVeFa1npDQHVz/XOnWNIZjEZdSeEN2ZpPafcgGLThDSCUKVzGMpliC0TW7gq+8t1n"
    "IpgrBD/XmmIHQ9S4TVAMG+NfBcn5DDmBf3Z/hwuQxOR8IVWg48TGTiWlIynh00W/5UmSEx"
    "/458tXEPk/ZTUTHNA2zKfV/AA/iqScHd5jkz1LlAAnHLp8OqYYlqb+vksE6OyMHBQRgBRv"
    "7KZ78KRg0GeH2vD9+++/Dul6Pjd79AF3UPsyMfFuikfdlNzJxGDtiuMpzLTECTLsVIF7gf"
    "G417TyEn0lj/Qzg8G+sM0aTPahmS/B+xLbG25zxiVR48y5YWFwf4e9uwKf+4vrpczM0kaZ"
    "iE8cETJLkZC3/dU3eYoZ18Wiwpt7kXorYF6NdCi0k2GiM6npvlfdoOzYE+IZdAvo+CezV5"
    "O7u6OTlvkS+d1mn7uh28A7PZmmrEQ3DA8t3QTqt5nrT0YOkcT449GanYVHB8zZRdaqitGO"
    "YrH04BKCHZuCy4M5kq+y9bQzV49IQxZCNaZgBNCf7Q8FmxZ3fT46Qm2fMf+N2kW4uQ7NEp"
    "c9HJb1RG02964aPmNSuA7hoWPtIw3ehH4Z3lLe0ptFGDWCm6+IIJQZW3llX+xG+rP1P7RP"
    "UqQQ8HEgfk1OFILituVxAcQjHby3FN5iLV+/L+3vXCsqv39/D2W9jz/v5VNle8gvPe8Tve"
    "8cJCsHKoZLEKrBJmJnmYImNnuQQdldfhUcsUdSIcEAmugcDT6WF3NoQnU5HWXEzg54OkNt"
    "qXDIuT3XFVIlIx2Vi8TEgHz9e3XCH9rQO4Q+TEISNqwJmYeEEM2zEeBRnSJywzSSgYRBaS"
    "iRQT4/LZb/+uA0uq7jljTYh/00G/PAlNkG+XIJ/rpXBit6eTh3IcstmjnYIzd8oeFanyjL"
    "32RlVBDNeSvRChgarjMU4wIJGMRoQmZPPT/L0vfHRzjaWM8O8db15ft2FqdtltkNnXO969"
    "ujpvEPx7x69/v+62LhrE/yyokjWXPpLsW4bDl8+Rh/2rrJbKsuNj6kqLZkTnThx42mkO5x"
    "WRSqD+AGLrgn12ZLO4n8CbEsP9pJ0E9ubipAVP+as4QZ62Ppreyrcq+0tvxdzdos5UTEj7"
    "U5rg0gRXBdBdA8Hlv+irwLc7O9OeghuziZXiuALosyiuuVYWMFz+nRVeMWlE2KdGOKMK1j"
    "HCbMy2nQkuViSUO0jN1INERmR5qETWCZ2FFMG1wvPqFZK7S/xIS+bNkXNclVBgH1bt6S35"
    "9CxgLbMA7bJql7WSXlWl15p0vOwlJnh8sUuFnkvxgCEy0rjV9tgxhv5W2+j99Bk3cFNXlZ"
    "DYIIwaQ1USwkGvBzAVDJyjIIrmgNVSQkPHDqKA+B+4AExIMqJTtXQkw+3a/M8v451F67jV"
    "SXyZC3pueCzmn2t3rhruHNg46WXkihaLecylN5h6/s+b1k3rrCTMgVSD+J93vHNzedm+/L"
    "VBgi93/LbZ7qojwZc7fn1zetpqnaHY7Osd/9Rsn+Mh//OOnzYvT1vn6tDsazViJaoYWFq3"
    "+dmqM4HNL/JYIpjVDFbioX2MBhapgMkm5o8Gu27/eDGutWSzjpik+F6WUVBURmcSL499uJ"
    "SgZDAxIbYPM9pNhxR9CMs883MJ/cQv/8T3qWV7LgNczVL0TVJuH575+Lh7dFhg3D06zB13"
    "sSkb69E8f7GohckQ3QfEN21lQhhdJt2pgiSlg4UpDJnyyyUz7I4mVpjKoKaqacxz09lm/T"
    "eXy/ZmXcZlxTlpcAOGJ53snb/y7XZCbB+MyLrrFdswhPaQ2WBumdWTSbEtPsJvUuDWPjsT"
    "MqJ8SsIHQhDTwnIlTyr/+yOBixVYxZRKTP4ej5nKVR84jhkkrJsOfyGJ4XhbKxEhJHWRXX"
    "qYli1NnxSsPj1e6w4ZGQO8hjWmNpkMHZjPPs42E99sYWkkfexeUC19uZhU9il04bMqFz7T"
    "Ich807a/IcjQWJbXelxSv9tVfrf7FrfEcCk1J0S1nqusZ71qfsXOUKwW4VLA6hLaCwHWif"
    "A6Eb7KwOqsIl3pYQegfb7SQ+6otjJ4I9V99xrl+IiuV3P8FKs5Oh6/lmxcy0k8VG3155IP"
    "5/X2imUgYvePKmdPCfrlQeA8s+Ii2DQrMOJXCAlrBIjsrMIfP+WyNT504t+mXMH8xL99rj"
    "mRU+V6e3UlHuEGs4N3z+dYhrJVLmBQu7g6a503iPqI15BofvnSufrahP/Db3Ds15aqOoEf"
    "ft6ln3QJkp3m5fWnq84FiIdf7/gJfD393CD+Z0EVrjm3ch93ilOxJ1Xpu06k49i4Czh66n"
    "1c2cfhuB8mdGnh92j9y6V2MIE5yDguOV7U1puxDLK/tb98UZL+l2q8Z1Riqe2MmV/uMBWR"
    "2Nwo9XZNg/+qR6ItpYTvDtG/xnTjMrDrpFed9KqTXncbcZ30ugOaWGHSa4USKCrK+u1FZF"
    "1nUPwcetYlbnUkuprA6kj0NiPRrreSQGlQo2JPYZ2bwqrF7lpPTF11ZvDOb6w/G71j2K9E"
    "+M52BrhHrBI7IEizqtNhKQ9VLRf7+sX951sDfCSWFApc8sim2DWxb4Bgf+VuRbDOH8Q9Cv"
    "CMV50L8gijp8A9AgxnpOJDStbfjMCSqlSJY5sYQJyfilAbfrzhxxkxPkP6li2ZK1SpEgt3"
    "ebQf/bolwX66d1x1u/7neVhUTv0PV0Sf2MtX9/cFC5fkBh6rMtaXCkCqX8I/73Ys9gjPUQ"
    "k+N+hd5Yjj1uhctU9HrxyeMZkqo1o7YRh4gislE3ifGaHmf2Cg5pLAgCKpIBM8OGLuQK1Z"
    "kw6RQzA4YFu2FObVTu6aZg+YoFJ66d9M5Afg3J3pdZlEawQiBeWCCp5B/yqHritDg4/p1H"
    "aycvzyYz0RkV2ou1TZaE95Pk7zrRXl4VIMx5bmi+f26JTadi1ruhi21RfOFm171DOgW4nJ"
    "YpDAgEWzsZz22HWeLJO5B6Rp28RTu7v1rYEHEKud4XDm5UlcIe46I0x0E4y4MCvLnhiu8u"
    "TLVIqMhDr+xKqQ83mULglZkdnZtpytHTKipdcN6oWYKwM0NFllXNiojHZjC7ixKgu0DMIz"
    "gSrDW2uKcGGDAebPdgYea8zGwP9S96BTWzeqkXRW665X3TWoMWQZ5n5h7s1cSG+ZVyLlRm"
    "Wn9lQF9IwX5cQa5LKgScm9KTz334eHR0cfDt8cHf/y/t2HD+9/eTOjNdNNi/jNk/avCHhM"
    "MWkNhCVxl1BBSlTrYDkd+MZjKR2kRLUOltQBVgH0RIbdP2OGNaJ2Dv4RsSQP5csdBPLrUk"
    "PtzRamp2et0/ZF8xy8nvrbNwkrHw6671IOkU7n1unc20N80+ncOp14KVXsAr0di8aBCmD8"
    "7flheTUQ90YZo/gn26F5e5znniKh+z6eY6/evLOrm5PzFvnSgQHluh0ElWb6VY3x0aXTap"
    "4nXjTTc9WelmVhT8hprAtgHXItPcN2xFLGLfsMO5NKX7sdsoCBcjhnfsBApa7MgzFkQgXx"
    "b+/H6/3unEGsSi5edV9EnXev8+4rjq7Ou9d59/U56F+Cke3UZSbj0qLZKRUZ3eoLsyvmzs"
    "BMovA26aHsC4Ep63UMDFFOGH9itjNmfv45JsTD0AVmQAQ5qKoCioUp71KN2Z7wqJ2Zc7qm"
    "n8gsupUy15F4pwJZl+CqXqKFDmRvgMfaxzpNS4K7+h1zHqhgPc/NSBTIZwejMpoWLE8LPp"
    "bbB+qx8vs/wYzYMoa4ROy6ddqBPr+1fr8mExcGezX8of3E4XOpxIzVGxS8sDEze8qsw2Vl"
    "xds4dac586oM6WTEfyqZqIx2VhLwDxK4Z+8BwHvSvmx2fs9+EU4yEr5Pfu+2msmt0bjhTs"
    "fIdJfWQ0pUK2FJJQB+vaGVVZt7gVGKyFTZMuEqV7hWcN9tKiQx4IZgUsHcdG51EVtUZPjN"
    "H31Tg6/epSkf9/3dpUkTeprQqyTzVIzQ2xL/1OZPlqTBrad5p0hzfSHfZM06FqWZOJnL+M"
    "wOdx4cc0qGVBBqGAydEDJl8oDc37MRtez7e5/8cUfUtgQz6wR7Ek8oHsnKWNezrh8pRDWp"
    "02l+qYL8kq+ZEm7ZTGAPyY+jwyIZ+tBrwVQwlZDmOllFFovl54eyVca6dnV72eo0iPq448"
    "2zi/Zlg6iPO946a3evoNH/vONf261b7Ox/LuMgrz4X38+FASuYsRn5ggXvManVKOh5u7OE"
    "eq4/N18fvj8mL4fs26tglw6irr5OJopVsaRgdj+MJjzCQLDU1GX11KEasJbZ0zklWH1PNr"
    "2nM66itQZDiZkfA+uJ+ftTgEUgI/rIBJZOwh24N7vbs55P/oTzSfZtbMHZltB6XHIPtb4j"
    "Wi6UVKVpA00baNqgLG0AKhsx94KNHtTsN00cxDrUF1IHfdW1N1J9C7IH186IqXk8uAxqLm"
    "+zvoRp+gy0utqiBxpcNnKe1DReQickqx14ttT2blPwKZAJeFLVPBhBbNIcwnp/qhCTgORD"
    "L6wCormESnEJ+DQs4SNExHbHQVDuugr4qAv8YR9855yF8EUs8XJFRLSLoHOwte9VAXTXkI"
    "ONr/kq0L0JzrOnwEasYaX82aZnWjK/AHqkebEvS7Fj6SLoxpDyATsgt35R77ASD0hyQX0n"
    "KaAw/Z4qPdov900HgHZDtcFl2Zbhh7rQ23S4PcUEatUbeZrsuneb+nEsjt6WBKEVZMycse"
    "2fCnehHQiMsik/eeIneiNR64v2sf65dLCUuutMVP10Pw8c3GtP2tYTU5KjpQvv6fJ61fCk"
    "dZXSvfSZfRtSJso0l6hyCLAyueYAl1NqqcRMoMrwou+kBg6AtqEWB73GIHy4ImjJnOc1hL"
    "oVmpkTmGc0kD15qVSaZ9NPNG9+aSvmy5INlQjTOzioSLBUUhdG+pLox4R2DH6fJUUFgH+k"
    "iqFWRhcmk5lpNfn13ecSO7CXb+2B9R3X91lpXzK3Thg1hmianIf/MLhgMFh42o9qDx7wTY"
    "lghstkUVu1QB9rqQqv2RfNvlSSJFjIvnTAIe20T7vbowqYaxnDWiZN4DfVF1ME807PkQP5"
    "yP7Ajl5ZL3t+MdCsNzyj9GGgxk3neRX3wVeyoVH+3PWJuaLkLCciUmU/fMlpzuH79wX8C+"
    "iVX/cZ2xKuNrxVZbxsv/seovu2UFXttwuqar9NV9WGX5Qsa7kaOg85+W1zEb1BT0lXLOUx"
    "bHI8+/7/1YRHzA=="
)
