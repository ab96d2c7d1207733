from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

WORKSPACES = "string_to_array(NULLIF(current_setting('app.workspace_ids', true), ''), ',')::uuid[]"
# Executors ask which providers they will need; the command that rotates keys goes through all tenants' credentials.
POLICIES = f"""
ALTER TABLE "provider_credentials" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "provider_credentials" FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON "provider_credentials" TO synapse_app;
CREATE POLICY tenant ON "provider_credentials" USING (workspace_id = ANY({WORKSPACES}));
CREATE POLICY executor_sees ON "provider_credentials" FOR SELECT USING (current_setting('app.executor', true) = 'on');
CREATE POLICY key_rotation_sees ON "provider_credentials" FOR SELECT USING (
    current_setting('app.key_rotation', true) = 'on'
);
CREATE POLICY key_rotation_rewraps ON "provider_credentials" FOR UPDATE USING (
    current_setting('app.key_rotation', true) = 'on'
);
"""

TABLES = """
CREATE TABLE "provider_credentials" (
    "id" UUID NOT NULL PRIMARY KEY,
    "provider" VARCHAR(32) NOT NULL,
    "name" VARCHAR(64) NOT NULL,
    "base_url" TEXT,
    "kid" VARCHAR(32),
    "wrapped_data_key" BYTEA,
    "encrypted_key" BYTEA,
    "key_hint" VARCHAR(4),
    "created_at" TIMESTAMPTZ NOT NULL,
    "workspace_id" UUID NOT NULL REFERENCES "workspaces" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_provider_cr_workspa_127da9" UNIQUE ("workspace_id", "provider", "name")
);
COMMENT ON COLUMN "provider_credentials"."kid" IS 'Which of SECRET_KEYS wraps the data key.';
COMMENT ON COLUMN "provider_credentials"."key_hint" IS 'The key''s last characters.';
COMMENT ON TABLE "provider_credentials" IS 'A provider''s key, in an envelope, and its address where that is not the usual one.';
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    return TABLES + POLICIES


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "provider_credentials";"""


MODELS_STATE = (
    "eJztXVlz2zgS/isovSSp0nh9xM6sZ2urZFuZaMfXSvJkZ8dbMkxCFtcUqCHAKKrZ/PftBk"
    "mJp0zKOigFLzoANI+viUZfaP5ZExNOR4Lt3Qnm1k7JnzVOhwx+xDvqpEZHo0gztkj6aKuh"
    "HgwRasyjkC41JDT2qS0YNJlMGK41kpbDcWiDjGCsw8nYkgNCyYgKMXZcc488PLAhteyHB2"
    "IJwh13SG1LMPOUGM5wRF1m1gnlJvG49YcHB0Z6x5PEZU/UNYl0iEHhavEqTMeAy7D407pO"
    "6A/pSeeJyYGC8ff/QLPFTfaVifDv6LnXt5htxlC2TDyAau/JyUi13d21Lj6qkXgzjz3Dsb"
    "0hn40eTeBK+HS451nmHtJg3xPjzKWSmREWcM+2A1aFTf4VQ4N08d6CSzVnDSbrU89GRtb+"
    "1ve4gfwDYFy2Z5lij7NxzzL/HlxfZGyvd33T7XWa3V6vlmI+XkeCPUGT4XB8cCwuEa0/v/"
    "nHnaGiWmt4gvNPjfbbo5N3CgdHyCdXdSrMat8UIZXUJ1XIz6BW3E6jfT6gbjbaU4IE4HCp"
    "q4E6BGgFkNaG9GvPZvxJDuDv0eH+HIx/bbR9mA/3Fc4OTGl/ol8HXYd+H+I9w1d9l4A3HL"
    "8cdMOGGbwzCbR2fA/3i+ALo3LxVX1xfEPJ1RtQMSgDdIqwyojXqPvk8EMLpK/Fye2nc+Ij"
    "T/oooWVKwG+MHYbLEKwelWleXECPtIYsmx9xygQzzIB0L/xRHdYUnwxwg+YNtyeBkJsDfr"
    "d11ex0G1e3eLqhEH/YCr9Gt4k9h6p1kmh9e5Lg0/Qg5HOr+4ngX/Lvm+tmcpGYjuv+u4bX"
    "RD3p9Lgz7lEzIo/D1hC1b7h4958jawo2PFLjeQyKQC/V4xw6eWPTXcPDYbKFcvqkeIbg4m"
    "WGmlib9eFGBl3nmfFMVS02YL7K5vpDQWeBsQV1txvOiBpPnD5oUoIJAT17pGHbfruIdRAB"
    "EomBmhX8B43h4QH0qIFlgCJmGNAakhnUdSeEChyMo9Jq3JrPrTW6bdDoZswtA3mcapnQp8"
    "XuOlW812A8w1TNitIqRpyquvpyrfOp8cPh8Ql5O2Bf36HIgOntS4JQOlhSMLvv24SSPLPR"
    "YjrHyfsCKsfJ+1yNA7u0wvF9KhxRrrOvIwuOtgDX45Q7yPUt4XKIyVw2e2KhmR0hWwKDg+"
    "dx1Rbe5wGocZYkY1C62FdjQDnou2jfoewlwlPqmeMWFLu79BS47AssRYs8CHHKrXsWxFRx"
    "Z3B8kzDq2pPv8AFAT3pJdTZCslpdtiqy/QVlNmWtx9FNQ/sRbCDrif/CJgrgFlwH5Uamaz"
    "IREtlOTGets2nu0vHUlI0+UXDzJrOZ9NX/Rue8cdGsfduQ/+OKDR+ZKwbWqJbl/Yh01+f6"
    "PobTgYWDVgjJG0FGNjUY+iUpGTvusxjB36yQ00vDM9wLv9emQwLsQzb8J+F5+D3eo50Qm3"
    "VCuI6dE/Zocm+YEinxVTugrbRD/ubzdbN9StTXPW9cXLWuT4n6uufNi1b3Bjr973v+a6v5"
    "GQf734vYzQcnBezmg+QaPbObsUvbzdpu1prUUt2CycWpKKZJOg3sfBV1itcy9NTP0YNtJ7"
    "ovKqvJByxbY01KBm0FbK0VMHuos4yA2CM/xwaYPjaFTQDJOOXpWEC8R8cNqyJj56nsOlNp"
    "takxwvaeyuAbjq9u3HBBdE+OigQBj/KDgEfamPlejZmqZB21TDYcObDGGRNQjjIX3cSQ+S"
    "uvNRvce2aTErlHoJH4ST5AptKxrSB0YDgjdhp1stWJ46rIPioxZAwrMcO/8KnC+rOBZMIy"
    "lvRVnyzT/acOHChccM6U208rDptXHKI8KpxuFKHR1m9iOXv2xUVRRSEYvot62PFxET3s+D"
    "hfD8O+OLougzsVsnQ2V5KuynhnZ3QNPUlxwBuQwACG2siD0tviI68q+VwwK+AGS0qTGFH1"
    "xUnt84DKGEfIkJrpmNkqZYxWmbXKvF6VuQGPgczUlP2e+QoyxTGF3VJ4BpMomj2iZpslie"
    "kw0FQlSD0UeUryfWEu5teInwhoXsT1uCCSPitNldjWF1B2eWYoe+nHf9lFlg6F61h3NfRf"
    "7ThbreMsemUpmLvsq8yGOUG2ENrryfdbSm5v81/d2CIUQvr2qvGvd7GF6PLm+udweIQF55"
    "c3ZwnkUUT1AhlWUiXLIK2+YrZmO0/rYN+LDhaLtI7MBbkep9RcrwrXM5KYg6ufcZ26xgBE"
    "4iJsT5BuTRr7d7llRacE6ZSgSmauFEsJ2qRv4FdfW6zlugjCAfWXPQWh6lkikAYI9q0nz/"
    "Udchjl4r6FD5fL4HAk3JPlwMNExq4lJePZYbLFD5UZBPPvyGcb9zBNX8fBqugH8FmTgrvF"
    "cyzUGUECcct3h1VDEtUO6uSwTo7I3t5eGPNF/5Xv/SoYNXjC6/vh8OD9h/c/Hp28/xGGqH"
    "uYtnyYw5PWdTdhOQ0dkF1lfC5TAu10KeZ0gfuxUbj3FHIijfU/hMOzsc4gTeqsliHJ/4ht"
    "iZU95xGp8uhZtrS42MPzbUKm/KNzcz3fN5N0wySEDx4g6Zux8OyeusMM7uS7xZJ065sQtQ"
    "1AvxK3mGTDEaLjuVnap+3QHOgTdAnk+0i4U8bbxc3d2WWT3Lab561OK5gDU2tNdWITNFi+"
    "GtpuNi6Tkh4knePJkScjVZkKrq+ZtAsttRXDfOnLKQAlJBuVBXdKU2X9ZWOoBo+eMAZsSM"
    "ssoCnCVy2fFXt2171Oaid7/gO/ne7WIk72qMlc1PiN0mj3m97qqP2aFUB3BVsdaZhu9Fp4"
    "p3lLOwptVCBWyl18xYSgSlvLKnji99VfqHaiRpVwDwcUe+Tc4ehcVr5dQXAJxWwvxzWZi6"
    "7etw8PrheWVn14gNlv4ciHh3fZvuIlHPee3/O2FxZ7lQNFi5VeFTEzyeMEPXaWS1BR+SFs"
    "tUxRJ8IBkuAaCDydHg5nA3gyldOaizGcPkhqo33JsBzZPVdFIZUnG8uVCeng8fqWK6T/eg"
    "DuEDl2yJAacCQm3hDDdoxnQQb0CxaWJBQEIgudiRQT4/K93/5dB5JU3XNG8Rf/poNxeRTa"
    "Qb5ZB/mML4UTuz2dPJSjkE0f7RScuSZ7lKTKFnttX9U9DHePvRGhgKpjGycYkEhGI0IRsn"
    "4zf+dLHd11sHgRft7zRqfTAtPsuntKpj/veffm5vKU4Oc97/zW6TavTon/XZAlKy52JNnX"
    "DIUv30cejq8yWyrrHR9RV1o0Izp35sDTTnN8XhGqBOqPQLYq2Kct68X9DGZKDPezVhLYu6"
    "uzJjzl7+IO8rT00e6tfKmyu+6tmLpbVJmKEWl9Sju4tIOrAuiuwMHlT/Rl4NudHmlHwY3J"
    "xEr5uALos1xcM67M8XD5d1Z4x6QR8T6dhhZVsI8RrDHbdsa4WZFQ7qBrph4kMqKXh0r0Oq"
    "GykHJwLfG4eofk9jp+pCXzbOQcVSUk2IVde/q1e9oKWIkVoFVWrbJWUquq9F6Ttpe9xQTb"
    "56tUqLkUDxiiRxpfpz1yjIH/Om3UfvqMG/jiVpWQeEoYNQaqJISDWg9gKhgoR0EUzQGppY"
    "gGjh1EAfEfqABMSDKkE7V1JEPtWv/pF9HOIksPjI1vc0HNDdti+rlW56qhzoGMk15Grmix"
    "mMeMeo2p5/+8a941L0rCHFCdEv/7nrfvrq9b1z+fkuDHPf/caHVVS/Djnnfuzs+bzQskm/"
    "685x8brUts8r/v+Xnj+rx5qZqmP6sRK1HFwNK8zc9WnRKsf5PHAsGsRrATD+VjNLBIBRib"
    "mD8avFn79cW4VpLNOmSS4rwsw6Aojc4kXhz7cCtByWBigmwXLNp1hxR9CMs88zMK/cQv/s"
    "T3qWV7LgNczVLumyTdLjzz8XX36LDAunt0mLvuYlc21sNZ/mJRCZNBuguIr1vKhDC6TLoT"
    "BUmKB3NTGDLpF0tm2B5OLDGVQZmqacxz09mm49eXy7a/KuGy5Jw0uAHDk072u77y5XaCbB"
    "eEyKrrFYM166IT43FStgJ6krD6Xthad8DICOA2rBG1yXjggNn0PH1L9XrrF6Nvwe4FRbkX"
    "C31kH0LX16pyfS0d6coXdbsb6QqFZXmuxyn13K7y3O5b3BKDhdicINV8rjKf9ebsJStDsZ"
    "J3CwGrKzXPBVjnW+t86yoDq5NXdEGBLYD25YICuava0uCNFJHdaZTjK7reNPBdbBpoe7wj"
    "2aiWk9+m+uov5bjNyroVS3TD4T+p1DBF6FehgONMa1hg17SOhV+IItyKLrKT115/yEVLSe"
    "j8snWpgvn5Zbtc2iCnmPLmyhc8ww1mx4heTuULaau8T752dXPRvDwl6iteqqBxe9u++bUB"
    "/8Nf0PZzUxU3wC8/vc/P7QPKduO68/GmfQXk4c97fgY/zz+dEv+7IAtXnMK3iy8kU7EnVV"
    "C6TqTj2Ph6adTU+7iBjEM7TCMqiUsLz6PV78rZwjzZILG15HpRW21iLND+0rq9VZT+j2rM"
    "MyqxonOG5Ze7TEUo1rdKHaxo8V/2SrShzOPtcfSvMKu1DOw6t1LnVurcyu1GXOdWbgEnlp"
    "hbWaEEiop6/XYisq4zKL4PPutKqjoSXU1gdSR6k5Fo11tKoDQohbCjsM5EYdVid80vTF11"
    "ZvDO76y/GL1jOK5E+M52nvBVpIpsj6CbVR0OK0aooqw41q8hP6tA/xOxpFDgkmc2waGJ8v"
    "SC/ZFb8X6VJ8RS+HjEm/YVeYbVU2ApesMZqviQovVr3ltSVcRwbBMDiLNDEWrDyU/9OCPG"
    "Z0jfsiVzhaqIYeHLBO1nvzxG8NrWe66Gdf55GdYuU//hiugX9vbdw0PB+hi5gceqrPWlAp"
    "DqTPjxfstij/AclfDnBqOrHHHcmDtXvQ6iVw7PGE2VUa2dMQw8wZWSMcxnRqj5X1iouSSw"
    "oEgqyBgbh8xFSQdX7hA5AIEDsmVDYV6t5K7IesAEldJb/6Ykr4Bze8zrMonWCEQKyjmFIo"
    "PxVQ5dV8YNPqIT28nK8cuP9URItqG8T2WjPeX9cdrfWlE/XMrDsSF78dIenlPbrmWZi2Ff"
    "fa61aNvDngHDShiLQQID1mbGqs0j1/limczdIw3bJp56iVjfevIAYvUCMrS8PIk7xF1niI"
    "lughEXrLJsw3CZB1+kIGEk1KGKD87sKF15sCLW2aaUrS0SoqX3DeqNmEsDNBRZZVTYKI1W"
    "YwuosSoLtAzCU4Iqw1triHBjgwHiz3aePHY6XQP/ou5Bp7aulSPprNZtL+5qUGPAMsT93N"
    "ybGZF+M1uJlBuVndpThbYzJsqZ9ZTrBU1S7kx9s78eHh4dfTjcPzr58fj9hw/HP+5P3Zrp"
    "rnn+zbPWzwh4jDFpDoSVVxdgQYpU82AxHvjCYyEepEg1DxbkASitPU9kyP0LZlhDaufgHy"
    "FL+qF8ur2AflVsqO1vwDy9aJ63rhqXoPXUD/YTUj5cdN+nFCKdzq3TuTeH+LrTuXU68UKs"
    "2Ab3diwaByyA9bfnh+XVQtwbZqziH22H5r1KO/cQCd738Rg7NfMubu7OLpvktg0LSqcVBJ"
    "Wm/FWd8dWl3WxcJiaa6bnq1YllYU/QaawLYB36WnqG7YiFhFv2EbYmlb72ecACD5TDOfMD"
    "Bip1ZRaMIWMqiH97r6/3u3UCsSq5eNWdiDrvXufdVxxdnXev8+7rM9Bvg5Xt3GUm49Ki2S"
    "kVGcPqc7MrZsrAlKLw27hD2jcCU9brGBiinDD+hdnOiPn555gQD0sXiAER5KCqCigWprxL"
    "tWZ7wqN2Zs7pik6RWXQrJa4j8U4Fsi7BVb1ECx3IXoMfaxfrNC0I7vJfzPJIBet5bkaiQL"
    "53MEqj3YLl3YLP5V439Fz51wyBRWwZA9wi1mmet2HML83fOmTswmKvlj+Un7h8LpSYsXyB"
    "ghc2YmZPiXW4rKx4G6fuJMeuyqBORvwnkonKcGcpAf8ggXs6DwDes9Z1o/1b9kQ4y0j4Pv"
    "ut22wk38DFDXcyQk93aT6kSDUTFmQC4NcbWFm1uecIpQhNlSUT7nKFawX13aZCEgNuCIwK"
    "5qZzq4vIoiLLb/7qm1p89Vua8nHf3bc0aYeeduhV0vNUzKG3If9Tg7mgY9ayfE5BV32un4"
    "nOBr3kWcoH9hX1CbLmen5qY9YEz0jkCrj4Om/MKqX4UrZn5/tfct96ka+4REh20EFweHxc"
    "JIv9+Dg/ix37EvtfRqMyCAfDdxDdg0J7BA7m7BE4SO8RgDPKzBfj4AbZvJTDKYneblxyu/"
    "FG96V++z9WpbsF"
)
