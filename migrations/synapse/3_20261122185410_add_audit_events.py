from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

WORKSPACES = "string_to_array(NULLIF(current_setting('app.workspace_ids', true), ''), ',')::uuid[]"
# The application adds to the record and reads it. It may neither change nor remove what is there, by what it is granted
# and, were it granted more, by the policies, of which none is for that.
POLICIES = f"""
ALTER TABLE "audit_events" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "audit_events" FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON "audit_events" TO synapse_app;
CREATE POLICY tenant ON "audit_events" FOR SELECT USING (workspace_id = ANY({WORKSPACES}));
CREATE POLICY append ON "audit_events" FOR INSERT WITH CHECK (workspace_id = ANY({WORKSPACES}));
"""

TABLES = """
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
    return TABLES + POLICIES


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "audit_events";"""


MODELS_STATE = (
    "eJztXW132kiy/it9+JLkHIab2Ikzl7nnnoNtMmHHbws43tnxHtwWDWgtWoy6ZcKZzX/fqp"
    "YEesUS4UWQ/mKwuktIT0nV1U9VV/9VETNOJ4LVbgVzKnXyV4XTMYMv0YYqqdDJJHQYj0j6"
    "aKmuLnQRqs+jkA41JBwcUEswONRnwnDMiTRtjl0bZAJ9bU6mphwRSiZUiKnt9Gvk4YGNqW"
    "k9PBBTEG47Y2qZgvXrxLDHE+qwfpVQ3icuN/904cQob7uSOGxInT6RNjEoXC1eRd824DJM"
    "PtzWD3pdetIeMjlSMP7xLzhs8j77ykTw7+SpNzCZ1Y+gbPbxBOp4T84m6tjtbev8k+qJN/"
    "PYM2zLHfNF78kMroTPu7uu2a+hDLYNGWcOlawfUgF3LctXVXDIu2I4IB28N/9S+4sDfTag"
    "roWKrPzfwOUG6g+AcVjN7IsaZ9Oe2f9///pCfXu9q+tur9Ps9nqVhPLxOmLq8Q8ZNscHx+"
    "QS0frrm3feBSrqaAV/4Oxzo/36+OSNwsEWcuioRoVZ5ZsSpJJ6ogr5BdRK20m0z0bUSUd7"
    "LhADHC51M1AHAG0A0sqYfu1ZjA/lCP49Pnq7BOMvjbYH89FbhbMNr7T3ol/5TUdeG+K9wF"
    "d9FoA36L8edIMDC3gXFmjr+B69zYMv9MrEV7VF8Q0sV29ExagI0AnBMiNeoc7Q5kcmWF+T"
    "k5vPZ8RDngzQQsuEgd+ZOgyHIVg9KpO6OIcWaY5Zuj6ikjFl9H3RWvClPKrJ/zLADfavuT"
    "XzjdwS8Luty2an27i8wZ8bC/GnpfBrdJvYcqSOzmJHX5/E9DQ/CblrdT8T/Jf88/qqGR8k"
    "5v26/6zgNVFX2j1uT3u0H7LHwdEAtW84eA+eQmMKHnikxtMUHIFeosU+srP6JpvGR+P4Ec"
    "rpUOkMwcXLDDyxNhvAjYy69hPjqa5apMNyl83xuoLPAn1z+m7XnBHVn9gD8KQEEwJaaqRh"
    "Wd5xEWkgAiwSAzfL/x88hocH8KNGpgGOmGHA0UDMoI4zI1RgZ+yVdOO2/Nvao9sHj26h3C"
    "KQR6XWCX3S7G7TxfsejBeYqreisIsRlSqvv1zpfG78dPThhLwesa9v0GTA6+1ZgsA6mFIw"
    "a+DNCSV5YpPVfI6T9zlcjpP3mR4HNmmH48d0OMJaZ18nJpxtBa1HJQ9Q63ui5QCTpWp2xU"
    "pvdkhsDQr2n8dNz/DuRuDGmZJMweliX40R5eDv4vwObS8RrnLPbCen2T2kp8BhzzAUrfIg"
    "RCX37lkQc8edwfn7hFHHmv2ADwAy6QXd2ZDIZn3Zstj2F5zZxGw9im4S2k8wBzKH/Dc2Uw"
    "C34DooN1KpyVhIZD8xXRxdvOYOnc6nsuEnCm6+zywmPfe/0TlrnDcr33bEf1yy8SNzxMic"
    "VNLYj1BzdSn3MZ53zB20QkheCTKxqMGQl6RkajtPYgL/poWcXuqeQi/8UZl38bEP1PCvGP"
    "PwR7RFkxC7JSEc28oIezS5O06YlOio7cuWmpC/vrtqtutEfdzzxvll66pO1Mc9b563utfQ"
    "6H3e8y+t5h129j5XmTe/O8kxb34XH6MX82Zs0vNmPW/WntRaacH44JQX07icBna5izrHax"
    "1+6l34ZPuJ7ovOavwBS/dY45ZBzwL2dhaweKjTJgGRR37JHGD+2OSeAkjGKU/GAqItOm5Y"
    "Fhu7zGXXmUqbTY0Rljssgm/Qv7xxwxXRPTnOEwQ8zg4CHuvJzI86mSlL1lGrz8YTG8Y4Yw"
    "bOUeqgG+uyfOQ1F517T2xWIPcIPBIvyQfEVDq26YcODHvC6mGSrUpsR0X20YkhUxiJGf4L"
    "f1VYf9GRzFjKkL7pH0ul/9SJfYcLfjNB+2nHYfeOQ1hHudONQjJ69hsbzp48c5HXUfC7H6"
    "If9uFDHj/sw4dsPwzboug6DO5UyMLZXHG5MuOdntE1diXFDq/AAgMYaiEPWm+TT9yy5HPB"
    "WwE3WNCaRITKb04qdyMqIxohY9pPxsw2aWO0y6xd5u26zA14DGSqp+y1LHeQKfbJTUvhL/"
    "SJkqkR9baZkvRtBp6qBKuHJk9ZvmfmYH6N+IWA50Uclwsi6ZPyVIllPoOzy1ND2Ws//8sU"
    "WTIUrmPd5fB/NXG2WeIsfGUJmLvsq0yHOSa2EtrbyfdbS25v8x/dyCAUQPr6svGPN5GB6O"
    "L66tege0gFZxfXpzHk0UT1fBtW0CVLES2/Y7bleZ72wX4UHywSaZ30V9R6VFJrvSxaT0li"
    "9q9+oXXqGCMwiauoPSa6N2nsP+SSFZ0SpFOCSpm5ki8laJfcwBfPW6xkUgRBh+rLTEHgeh"
    "YIpAGCA3PoOh4hh1Eu7s3w4XIZnI4Ea7JseJjI1DGlZDw9TLb6qVKDYN4deWrjLqbp6zhY"
    "GXkATzUJuFs8Y4a6EIghbnp0WDksUeVdlRxVyTGp1WpBzBf5K4/9yhk1GOL1/XT07v3H9z"
    "8fn7z/Gbqoe5gf+bhEJ62rbmzmNLbBdhXhXOYCmnTJR7rA/Vho3HsKOZHE+m/C5ulYp4jG"
    "fVbTkOQ/xDLFxp7zkFV5dE1LmlzU8Pd2YVP+1rm+Ws7NxGmYmPHBE8S5GRN/3VV3mKKdbF"
    "osLre9F6KyA+g3QotJNp4gOq6T5n1aNs2APiYXQ36Aggc1eTu/vj29aJKbdvOs1Wn578B8"
    "tqYa8RAcMD03tN1sXMQtPVg625UTV4aqMuUcX1NlVxpqS4b52odTAEpINikK7lymzP7Lzl"
    "D1Hz1hjNiYFhlAE4LfNXyW7Nnd9jipSfbsB34/6dY8JHt4ypx38huW0fSbXuqoec0SoLuB"
    "pY40SDf6XnjneUsHCm3YIJaKLr5kQlDlraUVPPHaqi9UO1G9CtDDvkSNnNkcyWXF7QqCQy"
    "hme9lOnzlI9b5+eHDcoLTqwwO8/Sb2fHh4k84Vr+G89/yet92g2KscKVms9KqEWZ88zpCx"
    "Mx2CjspPwVGzL6pE2CDiXwOBp9PF7mwET6YirbmYws/7SW10IBmWI7vnqiikYrKxXJmQNp"
    "5vYDpCetsDcJvIqU3G1IAzMfGKGJZtPAkyos9YWJJQMIgsIBMpJsZls9/eXfuWVN1zSvEX"
    "76b9flkSmiDfLUG+0EvuxG5XJw9lOGTzRzsBZ+aUPSxS5hl75a2qexisHnslAgNVxWOcYE"
    "AiHo0ITMj2p/kHX+rotoPFi/DvPW90Oi2Yml1162T+9Z53r68v6gT/3vPO751u87JOvM+c"
    "KtlwsSPJvqY4fNkcedC/zGopLTs+oY40aUp07tSGp51mcF4hqRjqjyC2KdjnR7aL+ym8KR"
    "HcT1txYG8vT5vwlL+JEuRJ66PprWyrcrj0VsTdzetMRYS0P6UJLk1wlQDdDRBc3ou+Dny7"
    "8zMdKLgRm1gqjsuHPo3iWmhlCcPl3VnuFZNGiH2qBzMqfx0jzMYsy57iYkVCuY3UTNVPZE"
    "SWh0pkndBZSBBcazyvXiG5v8SPNGXWHDnDVQkEDmHVnt52T88CNjIL0C6rdllL6VWVeq1J"
    "201fYoLHl7tU6LnkDxgiI43baU9sY+Rtp43ez4BxAzduVQmJdcKoMVIlIWz0egBTwcA58q"
    "NoNlgtJTSyLT8KiP+BC8CEJGM6U0tHUtyu7f/8Kt5ZaOiBvtFlLui54bGIf67duXK4c2Dj"
    "pJuSK5ov5rGQ3mLq+d9vm7fN84Iw+1J14n3e8/bt1VXr6tc68b/c87tGq6uO+F/ueef27K"
    "zZPEex+dd7/qnRusBD3uc9P2tcnTUv1KH513LESlQxsKRus7NV5wLbX+SxQjCr4a/EQ/sY"
    "DixSAZNNzB/1d9b+/mJcG8lmHTNJ8b0soqCwjM4kXh37YClBwWBiTOwQZrTbDil6EBZ55h"
    "cS+olf/YkfUNNyHQa49gvRN3G5Q3jmo+Pu8VGOcff4KHPcxaZ0rMeL/MW8FiZF9BAQ37aV"
    "CWB0mHRmCpKEDpamMKTKr5bMsD+aWGMqg5qqJjHPTGeb999eLtvbTRmXNeekwQ0YrrTT9/"
    "rKttsxsUMwIpuuVwyzWQdJjMdZ0QroccHys7CV7oiRCcBtmBNqkenIhmnT03yX6u3WL0Zu"
    "wer5RblXC32kn0LX1ypzfS0d6co2dYcb6QqMZXGtRyX1u13md3tgclOMVlJzTFTrucx61o"
    "uz1+wMRUrerQSsrtS8FGCdb63zrcsMrE5e0QUF9gDalwsKZI5qa4M3VET2oFGOjuh60cAP"
    "sWig7fKOZJNKRn6baqu+lOO2KOuWL9ENu/+iUsOUoFeFAs4zr2GBTfM6Fl4himApukhPXv"
    "v+U65aSkLnl23LFczOLzvk0gYZxZR3V77gCW4wPUb0cipfIFvmdfKVy+vz5kWdqI9oqYLG"
    "zU37+ksD/g++wbFfm6q4AX546X1ebh9IthtXnU/X7UsQD77e81P4eva5TrzPnCrccArfIW"
    "5IpmJPqqB0lUjbtnB7afTUB7iAjMNxeI2oJA7N/R5tflXOHubJ+omtBceLymYTY0H2t9bN"
    "jZL0vpTjPaMSKzqnzPwyh6mQxPZGqXcbGvzXPRLtKPN4f4j+DWa1FoFd51bq3EqdW7nfiO"
    "vcyj3QxBpzK0uUQFFS1u8gIus6g+LH0LOupKoj0eUEVkeidxmJdty1BEr9UggHCuvCFJYt"
    "dtd8ZuqqU4N3XmP1xegdw34FwneWPcStSJVYjSDNqk6HFSNUUVbs69WQX1Sg/4WYUihwyR"
    "ObYddYeXrB/syseL/JH8RS+HjG6/YleYLRU2ApesMeq/iQkvVq3ptSVcSwrT4GEBenItSC"
    "H697cUaMz5CBaUnmCFURw8TNBK0nrzyGv23rPVfdOn+/CGqXqf/hiugze/3m4SFnfYzMwG"
    "NZxvpCAUj1S/jn/Z7FHuE5KsDn+r3LHHHcGZ2rtoPoFcMzIlNmVCunDANPcKVkCu8zI7T/"
    "bxiouSQwoEgqyBQPjpmDlg6u3CZyBAYHbMuOwrzayd3Q7AETVAov/ZuLfAec+zO9LpJojU"
    "AkoFxSKNLvX+bQdWlo8AmdWXZajl92rCcksg/lfUob7SnOx2m+taQ8XILh2NF88cIan1HL"
    "qqRNF4O26tLZomWNewZ0KzBZ9BMYsDYzVm2eOPaz2WdOjTQsi7hqE7GBOXQBYrUBGc68XI"
    "krxB17jIlughEHZmXpE8N1nnyVgoShUIcqPriYR+nKgyWZne3K2dojI1p43aBeiLk2QAOT"
    "VcSFDctoNzaHG6uyQIsgPBcoM7yVhggWNhhg/ix76LL6fAz8H3UPOrV1qxpJZrXue3FXgx"
    "ojlmLul+beLIT0zmwFUm5UdmpPFdpOeVFOzWEmCxqXPJj6Zv97dHR8/PHo7fHJzx/ef/z4"
    "4ee3c1oz2bSM3zxt/YqARxST1EBQeXUFFSREtQ5W04FnPFbSQUJU62BFHYDT2nNFit0/Z4"
    "Y5plYG/iGxOA/lydV8+U2pofJ2B9PT8+ZZ67JxAV5P9d3bmJUPBt33CYdIp3PrdO7dIb7t"
    "dG6dTrySKvaB3o5E40AFMP72vLC8Goh745RR/JNl06yttDNPEdP9AM9xUG/e+fXt6UWT3L"
    "RhQOm0/KDSXL+qMTq6tJuNi9iL1ncdtXViUdhjchrrHFgHXEvPsGyxknFLP8PepNJX7kbM"
    "Z6BszpkXMFCpK4tgDJlSQbzb+/56v3tnEMuSi1feF1Hn3eu8+5Kjq/Pudd59dQH6jT+ynT"
    "msz7g0aXpKRUq36tLsioUzMJfIvRt3IPtKYMp6FQNDlBPGn5llT5iXf44J8TB0gRkQfg6q"
    "qoBiYsq7VGO2K1xqpeacbugnUotuJcx1KN6pQNYluMqXaKED2VvgsQ6xTtOK4K5/Y5ZHKl"
    "jPdVISBbLZwbCMpgWL04JPxbYbeir9NkMwIzaNES4R6zTP2tDnt+bvHTJ1YLBXwx/aTxw+"
    "V0rMWL9BwQubsH5PmXW4rLR4G6fOLGNelSIdj/jPJBOl0c5aAv5+Avf8PQB4T1tXjfbv6S"
    "/CaUrC9+nv3WYjvgMXN5zZBJnuwnpIiGolrKgEwK83MtNqcy8xSiGZMlsmXOUK1wruu0WF"
    "JAbcEEwqmJPMrc5ji/IMv9mjb2Lw1bs0ZeN+uLs0aUJPE3qlZJ7yEXo74p9a/NmU1L/1JO"
    "8Uaq4u5ZvMece8NBMnCxmP2eH2o92fkREVhBoGQyeEzJiskYcHNqam9fDgkT/OmFqmYP0q"
    "wZ7EFYpHMlPW9WzqR3JRTep0ml8qIb/kaaaAWzYXOEDy4/goT4Y+9FoyFUwkpDl2WpHFfP"
    "n5gWyZsa5c310123WiPu554/yydVUn6uOeN89b3Wto9D7v+ZdW8w47e5+rOMjrz8X3cmHA"
    "Cqbseb1kwXtEaj0KetnurKCezufGT0cfTsjrEfv6xt+lg6irr5KpYlVMKZg1CKIJTzAQrD"
    "R1WT91qAasVfZ0TgiW35NN7umMq2jN4Uhi5sfQfGbe/hRgEciYPjGBpZOGtr2G7I8iuz3r"
    "+eQPOJ9kXycmnG0FrUclD1Dre6LlXElVmjbQtIGmDYrSBqCyMXMu2fhRzX6TxEGkQ3UpdT"
    "BQXXtj1Tcne9Cxx0zN48FlUHN5iw0kTNPnoFXVFj3Q4LCx/aym8RI6IVltw7OltnebgU+B"
    "TMCzqubBCGKT5BA2+1O5mAQkH3pBFRDNJZSKS8CnYQUfISS2Pw6CctdVwEdd4Hf74HvnLA"
    "QvYoGXKySiXQSdg619rxKgu4EcbHzN14HurX+eAwU2ZA1L5c823L4pswugh5qX+7IUOxYu"
    "gm6MKB+yGrnzinoHlXhAkgvqOUk+hen1VOnRXrlvOgS066oNLssyDS/Uhd6mza0ZJlCr3s"
    "jTpNe929aPY3H0liQIrSATZk8s71S4C+1QYJRN+clTL9EbiVpPdID1z6WNpdQde6rqp3t5"
    "4OBeu9Iyn5mSHK9ceE+X1yuHJ62rlB6kz+zZkCJRpoVEmUOApck1B7jsQksl5gJlhhd9Jz"
    "VwALR1tTjoJwzCByuCVsx53kCoW6GZOoF5QQPpk5dSpXk2vETzxk1LMV+mrKtEmF6tVpJg"
    "qaQOjPQF0Y8I7Rn8HkuKCgD/SBVDLY0u+kymptVk13dfSOzBXr6VRzawHc9npQPJnCph1B"
    "ihabIf/83ggsFg4Wl/UXvwgG9KBDMcJvPaqiX62EhVeM2+aPallCTBUvalDQ5pu3XW3R1V"
    "wBzTGFVSaQKvqbqcIlh0eokcyEb2O3b0SnvZs4uBpr3hKaUPfTVuO88rvw++lg2Nsueuz8"
    "wRBWc5IZEy++ErTnOOPnzI4V9Ar+y6z9gWc7XhrSriZXvdDxDdd7mqar9bUlX7XbKqNvyi"
    "ZGnL1dB5yMhvW4joDXoKumIJj2Gb49m3/wI68rlM"
)
