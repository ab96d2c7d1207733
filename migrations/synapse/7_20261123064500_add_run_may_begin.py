from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

# Whether a new run that opens a thread would be claimed next, by whoever claims now. Others who claim wait until the
# transaction ends. What each statement of the function sees is what was committed when it began, the last claim
# included, whereas the statement that calls it sees what there was before anybody had the lock.
#
# Put so that the planner takes the indexes of queued and of running runs, whatever its statistics say.
FUNCTION = """
CREATE FUNCTION run_may_begin(of_workspace uuid, of_agent uuid, most_per_workspace int, most_per_agent int)
RETURNS boolean LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    -- The lock of claims (services/claims.py). Whoever has it claims runs at this moment.
    IF NOT pg_try_advisory_xact_lock(1129070921) THEN
        RETURN false;
    END IF;
    PERFORM id FROM runs WHERE status = 'QUEUED' ORDER BY workspace_id, agent_id, id LIMIT 1;
    IF FOUND THEN
        RETURN false;
    END IF;
    RETURN (
        SELECT count(*) FILTER (WHERE workspace_id = of_workspace) < most_per_workspace
            AND count(*) FILTER (WHERE agent_id = of_agent) < most_per_agent
        FROM runs WHERE status = 'RUNNING'
    );
END
$$;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    return FUNCTION


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "DROP FUNCTION IF EXISTS run_may_begin(uuid, uuid, int, int);"


MODELS_STATE = (
    "eJztXW1z4riy/isqvsxMFZM7k7eZy9y6VSRhdzibt5OQzdmz2QLFFuATI7GWnITau//9qi"
    "Ub/EpsBogh+hKIrbbN01brUXer9VeNTygec7Jzw4lXa6C/ahSPiPwSP1FHNTweRw7DEYHv"
    "XdXUl024anPPhYctIQ/2scuJPGQTbnnOWDiMQtMmGsu2jKInRwwRRmPM+RPz7B3U65ERdt"
    "xeDzkcUeaNsOtwYjeQxUZj7BG7jjC1kU+dP315YZBnvkAeGWDPRoIhC8unhaewmSUfw6GD"
    "dd1QN+kKNiBiqGD8/Q952KE2eSY8/Hf80O07xLVjKDs2XEAd74rJWB27uWmf/KRawo+571"
    "rM9Ud01no8kU9Cp81937F3QAbODQglHhbEjqiA+q4bqCo8pJ9YHhAe/LbgUe3ZAZv0se+C"
    "Imv/0/epBfqTwHhkx7H5DiVPXcf+3+D5Im273fOLTve61el2aynlw3Mk1BMcshiFF8ehAt"
    "D662993Rkq6mgNbnD8vXn1fu/wg8KBcTHw1EmFWe1vJYgF1qIK+RnUSttptI+H2MtGeyqQ"
    "AFw+6mqgDgFaAaS1EX7uuoQOxFD+u7f7aQ7GvzavNMy7nxTOTHZp3dHPg1O7+hzgPcNXfZ"
    "aAN2y/HHTDAzN4ZxZo7fjufiqCr2yVi686F8c3tFzdIebDMkCnBKuMeA17A0Z3HWl9HYou"
    "vx8jjTzqg4UWKQP/auqwPAJgdbFI6+JEnhHOiGTrIy6ZUIYdiO6EX6qjmuKdQf5A+4K6k8"
    "DIzQG/0z5rXXeaZ5dwuxHnf7oKv2anBWd21dFJ4uj7w4SephdBt+3OdwT/on9fnLeSg8S0"
    "XeffNXgm7AvWpeypi+2IPQ6Phqj9DYN3/yEypsCBe2w9PEki0E2dYbssr2361Gh3lDyCKR"
    "4onQG48JghE7sifflDhh32QGgmVYs1mE/ZPN1UchbZtiB3u6AEqfaI9SWT4oRzeWYHNV1X"
    "H+exE4hLi0QkzQr+l4yh15M8auhYkohZljwailnY8yYIc2gMrdI0bs33fpnR/V4jz2NHYg"
    "jd+A/D716f381UXQbyuNQyoU8b4XUSvh/BeIap6iOlCUdcqrrsuXb9vflx9+AQvR+S5w9g"
    "QGRn13YhtBWO4MTt6xmiQA9kvBgDOdwvQEAO93P5B5wy9ONt0o+o1iNjTkmtxyW3UOsbou"
    "UQk7lq9vlCPTsitgQFB+/jqud7t0NJ6hyBniQFI8/WEFPJfmG2B7YXcV+RNeYVNLvb9BZ4"
    "5FEORYu8CHHJjXsX+JTGE3l9GxHsuZM3+AKAX70knY2IrJbLVsW2v0BmU3P3OLppaH+Scy"
    "BnQH8hEwVwWz4HplamozIRINlMTGdHZ93cw0/TqWz0jZI/3iYuEZr+N6+Pmyet2t+v5A05"
    "I6N74vGhM65l+UIip+tzPSGjacPCISyA5B1HYxdbBLyUGD0x74GP5b9ZAaiXmmc4G36vTZ"
    "sE2Idq+CPlh4idMU6I13VCeMzNCYK0qD9KmZT4qB3IVto9f3F73rpqIPVxR5snZ+3zBlIf"
    "d7R10u5cyJP6847+2m7dQmP9uci8+fNhgXnz5+QYPZs3wykzbzbzZsOkluoWTA5ORTFNyh"
    "lg51PUKV7L4Km30YttJrovktXkC5bNWJOWwcwCNnYWMHupsyYBsVd+zhxg+toUngIIQjFN"
    "xwLiZ0xeWFVs7DzKbvKWVpsow11/UAbfsH1144YLonu4VyQIuJcfBNwzk5m3OpmpSg5S2y"
    "ajMZNjnDWR5Chz0E00mT/yOrPG3QcyKZGJJBmJTvmRYio52wlCBxYbk0bUyVZHzFORfSAx"
    "6EmOxAT+lX9VWH/WEE1IxpC+6ptluv/UhQPCJe+Z4faL9GDj+asAjYhqrHDyUUTGzIUTg9"
    "uDNh5FaUPQfBtZ2cFBEVZ2cJDPyuBcHF2PyF/KRencrqRclfHOzu8a+QJDg3fSHksw1CIf"
    "sOUOHftVye6SvUL+wJLWJCZUfXNSux1iEdMIGmE7HUFbpY0xBNoQ6PUS6KZ8DUQmb9Zn5t"
    "NlDG0KO6ngDjZSMjtI9TZHIJsRyVuFtHpg8pTleyQeZNvwb0gyL+T5lCOBHxRvRa7zKKkv"
    "zQxsL/36RdLuky5eE/muBv81brTVutGiT5aCuUOeRTbMCbGF0F5P9t9SMn1b/+rEBqEQ0v"
    "dnzX99iA1EpxfnP4fNIyo4Pr04SiAPJqob2LCSlCxDtPrEbM3zPMPB3goHi8Vdx/aCWo9L"
    "Gq1XResZKc3B08+0jj1rKE3iImpPiG5MUvubXMBiEoRMglAl81iKJQi9pm/gV80Wa7kugr"
    "BB/WVPQUg9S4TVJIJ9Z+B72iEHMS+qZ/jycYm8HApXaDH5MqEnzxGC0Oyg2eKXygyJ6V+k"
    "1UZ9SNpPRcWMH2Bd9H2OH0CrJgV3m+bMUGcCCcQd7Q6rhiWqfa6j3TraQzs7O2EEGPxX2v"
    "tVMGowgOf7uPt5/8v+173D/a+yifoN0yNf5uikfd5JzJxGTNquMj6XqYBxuhRzusjf44Jx"
    "7yrkeBrrf3BGs7HOEE1yVscS6P+Q6/CVvecRq3LvO65wKN+B+72GTfnH9cX5fN9M0g2TMD"
    "5wgaRvxoG7++oXZmgn3y2WlFtfh6i9AvQrcYsJMhoDOr6XxT5dhnOgT8glkO+D4FZN3k4u"
    "bo5OW+jyqnXcvm4HfWA6W1Mn4ZA84GgaetVqniYtvbR0zBdjX0QqNhUcXzNlFxpqK4b50o"
    "dTCRQXZFwW3KlMlfnLq6EavHrcGpIRLjOApgR/aPis2Lu77nHSONnzX/jNdLcWcbJHp8xF"
    "J79RGeN+MwsfjV+zAuiuYOEjDtONfhTead7SlkIbNYiVchefEc6xYmtZ5U/0ufoLtU9Uqx"
    "Lu4UBiBx0zCs5l5dvlCIZQyPZink08cPW+7/U8Pyy72uvJ3u9Ay17vQ7aveAnXvaN39MoP"
    "C8GKoZKFKrBKmNjofgIeO8dDQFQ+hkcdm9cRZ1IkeAYk304fmpOhfDOV05ryJ3n7IKkN9w"
    "WB4mR3VJWIVJ5sKF7GBYPr9R2PC711AGVIPDE0wpa8EuHvkOUy64GjIX6EMpMIS4NIQmci"
    "hsS4fO+3/tWBJVW/OWNNiP7RQbs8CeMgf10H+UwvhRO7fZM8lEPIpq92Cs7cKXtUpMoz9t"
    "onVQUxXEv2jocGqg7HKIKARDIaEZqQ9U/zt77w0c01lDKCv3e0eX3dllOz804DTb/e0c7F"
    "xWkDwd87ev3bdad11kD6s6BKVlz6SJDnDMKX7yMP21dZLZX1jo+xJxycEZ07YvJtxzk+r4"
    "hUAvV7KbYq2KdH1ov7kewpMdyP2klgb86OWvIt/xB3kKetj3Fv5VuV7XVvxehuUTIVEzJ8"
    "yji4jIOrAuiuwMGlO/oy8O1Mr7Sl4MZsYqV8XAH0WS6umVbmeLj0Lyu8YtKKeJ8a4YwqWM"
    "coZ2Ouy55gsSLClIFrph4kMoKXBwvwOgFZSDm4lnhds0Jycx0/whF5c+QcqhIKbMOqvTVk"
    "6xFqdxeo9JoQ+4G3e23bJDBOwHI4vI6cfrh7xj0Z+FSaEbXL7cAUUqjKi7+9EzAzWzCzhU"
    "oS2kov87nys1f3wPH5bBZIY/FYLQQDYJfzMbOGepdzIJ59Qi3YT1flgjYQwdZQVeNgQDgl"
    "ppxIXhoEMJm0WkpoyNwgAAv/SfZFuEAjPFGrdjIY7/pvvwgxjpbQq6P4CiMgzXAsNjUyTL"
    "oaTFraOOFnpOkWCzfNpNeY9f/Pm9ZN66QkzIFUA+nPO3p1c37ePv+5gYIvd/S22e6oI8GX"
    "O3p9c3zcap2A2PTrHf2p2T6FQ/rzjh43z49bp+rQ9Gs1wlSqDltat/mJwlOB9a+vWYC8N4"
    "NFkGAfozFdSeAxgtTdYMPzH6fvK0kkHhGBoV+WUVBUxiRxL459uIqjZBw3IbYNzoR1R3M1"
    "hGXe+ZmEeeMXf+P72HF9j0hc7VKes6TcNrzz8XF3b7fAuLu3mzvuwqlsrEez1NGiFiZDdB"
    "sQX7eVCWH0iPAmCpKUDuZmj2TKL5ZHsjmaWGIWiZqqpjHPzSSctl9fGuGnVRmXJacDyh9g"
    "+YJlu+Lz7XZCbBuMyKpLRbtyCO2CZ4N4ZRauJsVe8RX+lAK39p09oRGmExS+EBzZDlSKeV"
    "Sp99+QUCEQATVnuWDjMVHLBAaM2cFaAZvRdwJZzH+16hxcYA+8S/eTsrsCJAWr7x6vdYYE"
    "jSW8ljPGLnoaMjmffZju477WUBQeO7CVSNlljzGp6scAAfDmZVttSHI/QWopCnhHJ7Kj2C"
    "oqKI9m1W1eJfRvMADb0EYocE1rb/F6I6/g43S7wb4Mi4Vgsy9hSixWucSiibjnj+TbG3EP"
    "uUF5rcclTd+uct/uO9Thw4XUnBA1eq6ynk19jmVz/2jV04WANcX65wJsltyYJTdVBtYk0Z"
    "maMhsA7cs1ZXJHtaXBG6kjvtUox0d0s27sTawbu/LptSDjWk6erTpXfynXdlbZs1jCLTT/"
    "pvyASlAXIpLXmZYxglPTUka6FlFYjYRnJ9H++CUXrSZk8lzXRQXz81y3ubpNTj3916tg8y"
    "B/YBroYinFoWyVS6XUzi5OWqcNpD7i1Wqal5dXF7825f/hN3ns55aqbwMfOs1Y5xhLyavm"
    "+fVPF1dnUjz8ekeP5Nfj7w2kPwuqcMWpxNu4J6WK/Kk9BepIMOZK64+AqfdhDTGVx3VAys"
    "OF+9HqF2ZuYL5+kGBfcryorTZBX8r+0r68VJL6SzX6GRZQ1D9j5pc7TEUk1jdKfV7R4L/s"
    "keiVVkBsjqN/hdn1ZWA3Od4mx9vkeG824ibHewM0scQc7wolUFTU67cVkXWTQfE29GyKaZ"
    "tIdDWBNZHo14xEe/5SAqVBSZYthXVmCqsWu2s9EvXUmcE7fbL+YvSOQLsS4TuXDWA3aiW2"
    "g8DNqi4HlWtUXW5oq7cRmW1C8g05gitw1UoM2TSxQwknf+ZuerLKG8JuKHDFi6sz9CBHTw"
    "67kVhspOJDSlZve6IWMSDBXBsCiLNLIezKmzd0nBHiM6jvuIJ4XFXmcWA/WfdBl+kJdu6+"
    "o6rZ9T9Pw/KV6n/5RPiRvP/Q6xWs05MbeKzKWF8qAKnuBH/2Nyz2KN+jEv7coHWVI46v5s"
    "5VOwJ1y+EZk6kyqrUjAoEn+aToSfZngrD9HzlQU4HkgCIwR09wcES8gVqiKRgSQ2lwiq9M"
    "W7Y2DMld0ewBElRKr3SdilR+0d+6E60BiBSUc2oFB+2rHLqujBt8jCcuy8rxy4/1REQ2oc"
    "xYZaM95f1xxt9aUT9cysPxSvPFU3d0jF23ljVdDM/V584WXXfUtWSzEpPFIIEByvND4f6x"
    "xx4dm3g7qOm6yFf7SPadgS8hVntQwszLF1AQwWMjSHTjBHlyVpY9MVzmxRcpjBoJdfwBRV"
    "Bn8yhTAbUis7PXIlsbZERLrxs0CzGXBmhosspQ2KiMobEFaKzKAi2D8FSgyvDWmjxc2GBJ"
    "8+eygU8a0zHwv9RvMKmta9VIOqt104tMW9gakgxzPzf3ZiZkNucskXKjslO7quB/Rkc5cg"
    "a5XtCk5NbUWfzv3d29vS+7n/YOvx7sf/ly8PXT1K2ZPjXPv3nU/hkAjykmrYGwAvQCKkiJ"
    "Gh0spgNtPBbSQUrU6GBBHUDRS59n2P0TYjkj7ObgHxFL+qG03E4gvyo11D69wvT0pHXcPm"
    "ueStZT//wpYeXDQXc/RYhMOrdJ5349xNedzm3SiRdSxSa4t2PROKkCOf52dVheDcTdUcYo"
    "/pPLcE6Hy79EQvd9uMZW9byTi5uj0xa6vJIDynU7CCpN9atOxkeXq1bzNNHRbN9Tu+eWhT"
    "0hZ7AugHXoa+laLuMLGbfsK2xMKn3tdkgCDxSjlOiAgUpdmQVj1Jar+uf9eL3fjTOIVcnF"
    "q25HNHn3Ju++4uiavHuTd1+fgX4ZjGzHHrEJFQ7OTqnIaFafm10xIwNTiYKJFs3paPuOQ8"
    "p6HQJDmCJCH4nLxkTnn0NCvBy6pBngQQ6qqoDiQMq7UGO2z33sZuacrugWmUW3UuY6Eu9U"
    "IJsSXNVLtDCB7DX4sbaxTtOC4C5/g6h7zEnX9zISBfK9g1EZ4xYs7xZ8KLft2UPltzuTM2"
    "LYYIj10XXr+Eq2+aX12zV68uRgr4Y/sJ8wfC6UmLF8gwIPNiZ2V5l1+VhZ8TaKvUnOvCpD"
    "OhnxnwjCK6OdpQT8gwTuaT+Q8B61z5tXv2V3hKOMhO+j3zqtZmpPKMubjMHTXVoPKVGjhA"
    "WVADubDZ2s2txzjFJEpsqWCVa5ymeV9N3FXCBL/iA5qSBeOre6iC0qMvzmj76pwdfs0pSP"
    "+/bu0mQcesahV0nPUzGH3iv5n9r00RE4+Olpv1PkdH2uv8mZNizqZqJoJqM9O5TdM3uChp"
    "gjbFkESAiaELGDej0ywo7b62nnjzfCrsOJXUfQEsEulnIgcjLW9azqJoVcTepyxr9UQf+S"
    "1kwJWjYV2ELnx95ukQx92WrOVDCVkOaxrCKLxfLzQ9kqY127uD1vXTWQ+rijzZOz9nkDqY"
    "872jppdy7kSf15R39tt26hsf5chCAvPxdf58JIKzgs0w/iUstR0Mt2ZwH1XH9vftw9OETv"
    "h+T5w3SjYHj6erBtsyM4cfthNOFBDgQLTV2W7zpUA9YiW5inBKvPZNNbmMMqWmcwFJD5MX"
    "Aeid6fQloENMIPhEPpJNhwfr27PZv55BucT5LnsSOvtoDW45JbqPUN0XKhpCrjNjBuA+M2"
    "KOs2kCobEe+MjO7V7DftOIg1qM91HfRV0+5ItS3oPbhmI6Lm8ZIyqLm8S/pCTtOnoNXVFj"
    "3yhEdG7FFN44VsBM5qJt8ttb3bRHIK8AQ8qmoeBAE2aR/Cam9VyJMAzoduWAXE+BIq5UuA"
    "t2EBjhAR2xyCoOi6CvioB/xhDr5xZCHsiCU6V0TEUASTg224VwXQXUEONnTzZaB7E1xnS4"
    "GNWMNK8dmmbzsivwB65PR8LouhYeki6NYQ0wHZQbe6qHdYiUdKUo41SQpcmLqlSo/W5b7x"
    "QKLdUOfkY7mOpUNdwDYZdSeQQK1ag58mu+7dum4OxdHbAgG0HI0JG7v6UrAL7YBDlE3x5C"
    "ed6A2OWi3ah/rngkEpdY89qfrpOg9c0mtfuM4jUZKjhQvvmfJ61WDSpkrpVnJmbUPKRJlm"
    "ElUOAVYm11zCxUotlZgKVBle4E5q4JDQNtTioI8QhA9XBC2Y87yCULdCM3MC84IGsicvlU"
    "rzbOpE8+ZlW3m+HNFQiTDdnZ2KBEsF9uRIXxL9mNCGwa+9pKAAyY9UMdTK6MImIjOtJr++"
    "+0xiA/byrd2TPvM0Z8V9Qbw6Itgagmli9/8h8oGlwYLLflN78EhuijixPCKK2qo5+lhJVX"
    "jjfTHel0o6CeZ6X64kIb1qH3dez1UwdqS+apluAn2qPt9FMHZgaU0J9wAs8VI7lSUn2cGE"
    "vNcDn3zX10VfYBsxaaJ6PY88sofgkJ5MU6Ym24jIW8Gk3knnPK3lhmaWvrmzdLNseLW1rc"
    "ce6TvPZRCeSVQZYxU71IToHUeqINuPLhtb/hJW/Xyl02ITYpuWF6sfv/KJsQ8SimytvJxT"
    "HspWuofoVd6NYLX3HT26uri9hsTx4Msialh+5ji32Jhk1APMn+bNJDZhF69a0/MggNFHGu"
    "iqTt+w67InybaY5wycrOrW+QrJEN1IzXxDsGPTBMl5OcKBGStREGHdGguzwUtn9qcEqz/l"
    "Tmf2ywmETbKmHCZ136Tub23q/uaUwaiSkgsFFqM+iLJ6TspujKZrHV0Rd+RQX7zFFMyZk6"
    "mszuOSG6PxN9m3TWzCxCY2Lzbx2lmMLWqr/NGs2ER4rj43OEGoDcPiIstw1Ca4s1Ux6EH2"
    "bZXW1+uRZ0E8il2JWa83f4VNqasUK8MxEzMLaCoYUIjqJ4X5nJIccbEqO/YWDS8cHBQJLx"
    "wc5IcX4JyZEJsJsaFThk4ZOlWWTnU8n0vEL8bEy6+Qlmo0n2AJ3bzLwvYl8kAk7P6IUAEe"
    "8Nj647BafhjdcygCB7/30cKcoCF5zk7z+MHrFWJftjMgXBjiVUHiFaimBOeaSWwh3VpBQm"
    "zQv9IQ5xeBj8psBcjzWNQqqsAbgmsIriG4huAagvsywW0Sz7GGmbQ2ODWfzOJZo5cIbD6w"
    "LycDlyKLuRu6Z3bwjF3cAy2uOzWvuBXXu7jvft7/sv9173B/unn79Mi8PdvD/dnzaeEj8X"
    "jJBZsRka3gLGvww0GvKoFw0HwL0f1cKIn685wk6s/pJGp5R5FJvCEtK4f9zUQ2IRduGTRg"
    "aUluKcKwzvHs7/8HVBEr3w=="
)
