-- SPDX-License-Identifier: MIT
-- Providers whose keys have to be fetched: tokens by JWKS (fusionauth, google_pubsub), certificates
-- (paypal, aws_sns). Signed by Node's crypto and a certificate of OpenSSL, at 2026-01-01T00:00:00Z.
local rig = require "lua.testing_rig"

local made = {
  cert = [[
-----BEGIN CERTIFICATE-----
MIIDETCCAfmgAwIBAgIUbANgRp9uRFxn5tFySXx/bm4FhdMwDQYJKoZIhvcNAQEL
BQAwFzEVMBMGA1UEAwwMa2V5cy5leGFtcGxlMCAXDTI2MTEyNzAwMDEzNVoYDzIx
MjYxMTAzMDAwMTM1WjAXMRUwEwYDVQQDDAxrZXlzLmV4YW1wbGUwggEiMA0GCSqG
SIb3DQEBAQUAA4IBDwAwggEKAoIBAQDhie4hXTnL9zqgZKh/tU29o1y4i6jl2dLf
6L1sryWbqt6Lh2R3Kmk6ItNyY0U12UhGCG3Bgn+JglHBuKkVmBiiSXpEdlizFUJF
IR1+PBFkzb2ZiW4Et+yavyd92d+VfmKCK564YOFB1zWYhsv54KPh9xgxUQk8R/mb
ftycbhz48JWy77vVgw/x5lQDrQg7ZnAE71dISJzKCZ0/As8WhOjC6+F0HMwrKb7b
6leBajAVpMKHgt74rT2lK0ZOEZnlBqOPc10C4KSkw1jReFOFsPXsZtNqVrEM2WbR
kwXKFg2rWaekTN5jXBP2gSi+V8mddqiXPJE+I6F1cRl/OAhOpdYbAgMBAAGjUzBR
MB0GA1UdDgQWBBRorV8h1kcNhLovhkp73iCPlW+LwjAfBgNVHSMEGDAWgBRorV8h
1kcNhLovhkp73iCPlW+LwjAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUA
A4IBAQC2ICOG+vpgqPZa9Yy1SkGuNP6kxkOwh6eIzGvt9UFmTvJuN3yAxav5Mj4H
M0BZ4c5lIo7qZwJ6Tl0qoJ6I2X6FPcrC1/63soRNA05WGtgFWqjLq4fLQ3A1I6H5
N11FlhfCLoD1MIqVe3MAVR6rOLGAncRQVHgHZdv1z/QMoXrTrIXkHe6946HKklTP
qAWN7CbAWqsJoJvzW8EDojgaAJalLZWsYfzstpiqC9nPMQ2osYDixhKbDDU5j3hv
CHM3jSiYs6K9ckP58R0ubKiX7bk4Bg041bmaTr/DwVEtxqFRRo07cUZBRaVDcjg6
0XtZYlsoOm9muuRMx5R4mkCZzBRN
-----END CERTIFICATE-----
]],
  jwks = '{"keys":[{"kty":"RSA","n":"4YnuIV05y_c6oGSof7VNvaNcuIuo5dnS3-i9bK8lm6rei4dkd'
    .. 'yppOiLTcmNFNdlIRghtwYJ_iYJRwbipFZgYokl6RHZYsxVCRSEdfjwRZM29mYluBLfsmr8nfdnfl'
    .. 'X5igiueuGDhQdc1mIbL-eCj4fcYMVEJPEf5m37cnG4c-PCVsu-71YMP8eZUA60IO2ZwBO9XSEicy'
    .. 'gmdPwLPFoTowuvhdBzMKym-2-pXgWowFaTCh4Le-K09pStGThGZ5Qajj3NdAuCkpMNY0XhThbD17'
    .. 'GbTalaxDNlm0ZMFyhYNq1mnpEzeY1wT9oEovlfJnXaolzyRPiOhdXEZfzgITqXWGw","e":"AQAB'
    .. '","kid":"r1","use":"sig"},{"kty":"EC","x":"GxXgxjF07l8HY3LmGkG1NRgjwd8a15hEa'
    .. '4m1XlfZJdw","y":"fpxB-qnjNNbAyyS-7DHIrHpWhFlN6Czp28HxTh24Nig","crv":"P-256",'
    .. '"kid":"e1","use":"sig"},{"crv":"Ed25519","x":"GcI5rNGogJJvRow9xSSvDh6emO84LN'
    .. 'd6Qurpoghjhm0","kty":"OKP","kid":"d1","use":"sig"}]}',
  fusion_body = '{"event":{"id":"f-1","type":"user.create"}}',
  hs256 = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImgxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.bkPoP'
    .. 'npl3oC-6pO7h3lQUeEnMrhUAbzy6rChVrd4hSk',
  rs256 = 'eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.QgoHZ'
    .. 'ur5F8PTVfpfXpFSRrFf-MNYevJLHdPRm0lK_OdFvlzf8AxZd8_UW9LLIDoCfOHPKumlYOSpOFq2g'
    .. 'UTNlS4VBEG_4OXUlND7sPwg8mZ5yCnC8JoOsNeppGxmpok2zImI9kBFK8JXYHoNDGgzMMpU9Edbg'
    .. '1xFFJeL-8e8za9KQw6i3LLUj5AHmL5HXZUSPLr3WYGwkYh-uYJRECmSu0VtIlSlurIGoH6HB1JXt'
    .. '5J_JsO4ij2Xwf4do32C0eiWRuK1vSdjTU_1OHPVe9v-FWi1Kx7NEa7_u8fb5f_qKa04iS58SV15d'
    .. 'L3z-aAEWcnNNfM9ua4wuX_KSWoqrwxHYA',
  es256 = 'eyJhbGciOiJFUzI1NiIsImtpZCI6ImUxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.lRWWz'
    .. 'F5n6I3o0fT3Vu0EDUycxld0Pir2qwB7eAerhNzOczxhLYNExrq_O7aUXojDRlKPyObkgez8Wu-Ec'
    .. 'Zu5-Q',
  eddsa = 'eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.usPw9'
    .. 'kzlP2IJz89k7jLbbxPW2GTRNWV7Ws0P_QptzMFU9o3LQFtr2G_3XNK7xXvxUoV3BwHfxSuIxEm-h'
    .. 'E94Cg',
  none = 'eyJhbGciOiJub25lIiwia2lkIjoicjEiLCJ0eXAiOiJKV1QifQ.eyJyZXF1ZXN0X2JvZHlfc2hhM'
    .. 'jU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.eA',
  expired = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImgxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0iLCJleHAi'
    .. 'OjE3NjcyMjU1Mzl9.VihvNK8IiOTmOftxAbw1G-PAko9jZPGVYnA0FFDkCEs',
  early = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImgxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0iLCJuYmYi'
    .. 'OjE3NjcyMjU2NjF9.cIbyARn3Pnm7KTSRqVFvLxmaQOddXEEmJU-Qr8uOex8',
  confused = 'eyJhbGciOiJIUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.0vQBu'
    .. 'WmairAdWAcQOAvZj20iSrFxFqetinkXTekzD1E',
  unknown = 'eyJhbGciOiJSUzI1NiIsImtpZCI6InI5IiwidHlwIjoiSldUIn0.eyJyZXF1ZXN0X2JvZHlfc2hh'
    .. 'MjU2IjoiVXFkQ1czZktGQis0V05GejhLVzdCVVBmcHhUV3EzSnEyVzV5K1JsNytlRT0ifQ.u8jNR'
    .. '9TC2hFKCXKIU8KLsS2glKmHLoSy9j8NFLO2P-lPA1djSACOQGFgq-PwTzbCXy1WnmDCSbnoGi3ex'
    .. 'FgicOuje-pgDbZWruv2QIChv-xu4jDkPJD95Suxd_YhsHLMxPFo26HW_CPVsqqynfgAnwd-ErIgA'
    .. 'wBO7G1-3cBmZC4DbIcKy0qZ3WmmyZp5rCMjRWCtxTBUfn84wB-qAMq_D3O-K5Ep3D-CbJ7ZEtB0R'
    .. 'CPPrLIyj0cWr3MnzF8GGga3e020ovD1YGWJ6Wr5YuIXdIUvljCa4uBYBUtI63bqwexiKLQ7hEiqc'
    .. 'ER-pZHdVRuY_TiJIACuP48mJ_ta0tuI6Q',
  google = 'eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2Fj'
    .. 'Y291bnRzLmdvb2dsZS5jb20iLCJhdWQiOiJodHRwczovL2EuZXhhbXBsZS9pbiIsImVtYWlsIjoi'
    .. 'cHVzaEBhLmV4YW1wbGUiLCJlbWFpbF92ZXJpZmllZCI6dHJ1ZSwiZXhwIjoxNzY3MjI2MjAwLCJp'
    .. 'YXQiOjE3NjcyMjU2MDB9.NQs4f54UJCgdLbjjAgMOxaF2wrPeqeVC6H_pnkRAR3xMMXDYvzZqttw'
    .. 'InPr2iNwYLvrhlazMRZQA_r5tN-Q2gvNoGU11PZD3EmDXWbgvAAZ9_RxutpqwORmG54iF3qUx0z3'
    .. 'a5ksxfqh80-jUacXwkKxcMNABef5zfUUx1ydRhU8PG2F4WaVZ4xbZfAtEPdSZv-D-kEJHfLr2RrG'
    .. 'CT4bvrFR3_QHotGMnkfpvFHLUAiRcFBEo5pKkvp5ZjSFlFyGSKYGmjAL1SX2uFb_cL6fb0oZyFng'
    .. '6mfFDUwI5hPH7PkNdiP9rFzafgQA_Xm5npLfGUSFjgcq2vlpEh842mPsblQ',
  google_aud = 'eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2Fj'
    .. 'Y291bnRzLmdvb2dsZS5jb20iLCJhdWQiOiJ4IiwiZW1haWwiOiJwdXNoQGEuZXhhbXBsZSIsImVt'
    .. 'YWlsX3ZlcmlmaWVkIjp0cnVlLCJleHAiOjE3NjcyMjYyMDAsImlhdCI6MTc2NzIyNTYwMH0.w-2r'
    .. 'bu4Zi0gkYqQceWVzeE0DBvVFqidw3fs11V1G8GJ_6byT5l5KZtiEeDWaC3cHIhzbk7LWymIDLTOW'
    .. 'pLn3W95WnU1eVaFPKoFuTEXzH6vbs37b8vuaWquM9wBcEemxXYPZ3x4PtQgqfczMxpTwQ6ZntcOW'
    .. '8A9qCMXb0J9c3EhSsmHOS9hAwJap5DYewqfkR2GQS3TP8vrsFx4XZO-8iqkKtv3TlcjKzKT8_Q4D'
    .. 'wKz51KqFrAp8FOCqunqpLRAG9vLFaKFOGpy4ejHx_VBmOlM2wlNUv9MUs5R1_SsvZUESfJlzXYWI'
    .. 'DP6tHC04Li0EVAUJPr00QaKCyInH-as9Qg',
  google_email = 'eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2Fj'
    .. 'Y291bnRzLmdvb2dsZS5jb20iLCJhdWQiOiJodHRwczovL2EuZXhhbXBsZS9pbiIsImVtYWlsIjoi'
    .. 'eCIsImVtYWlsX3ZlcmlmaWVkIjp0cnVlLCJleHAiOjE3NjcyMjYyMDAsImlhdCI6MTc2NzIyNTYw'
    .. 'MH0.PJJeoK8uzppSI0EZOLeK2OnfZ9yOGdyUZ9IOqeYZ2qIQf9FMjcCMoXUDmWjPobhd9vELMCRS'
    .. '8ZwuWtLQIGkTh4lWX9COCyfbP60Acl0FlAl0Qw4kxhYgfEToDu15P3Jcqo71DuqAxIksXybViky-'
    .. 'l5hdHgNpcY0eU5DKWYc7p0ZHFVZiFeS7udWoGXeTP1-erPrHUfbGzgHB9wObJ3jouie101MHGmu6'
    .. 'xTLCawshSfGpAPwtZtKT_UyyfKUj1gGD1lHFWjNt_-QH0IFcqoHZYFRYvZYci5VfhlfGadxCqkmw'
    .. 'VBwAGlewRD_aqy0l6qu1U2_sBcAGKv6XnFnk2OlNlA',
  google_iss = 'eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJ4IiwiYXVkIjoi'
    .. 'aHR0cHM6Ly9hLmV4YW1wbGUvaW4iLCJlbWFpbCI6InB1c2hAYS5leGFtcGxlIiwiZW1haWxfdmVy'
    .. 'aWZpZWQiOnRydWUsImV4cCI6MTc2NzIyNjIwMCwiaWF0IjoxNzY3MjI1NjAwfQ.vM4VzlZdKSxeO'
    .. 'VKnPcZ9R9Nw9CM4qTYVO4qUTjN5ArY9K2Pvi7wK645HRvdKwv0rOXM05xAehYsiU9nMPAAsNeRs6'
    .. 'kN96PcDFrgb-LRYz2rvJ_cCol0PayU_D_rbC_vnFxz07o9e_kwW2K9yPkpJOruZOYgo4RFZ_KLb7'
    .. '-vWYqvIxUPwBG0luHiq6T8djWHeDc-0Pxa9LB37kg9Dug1LgWnpQSivC33qIoxU2EcYie6QzII-i'
    .. '631TGS6-oxyzq4-RMvnW4Z7bs8pGW3mqQOLwcX39bahWsiyzCRXv4DtDfOSV2IIYtt7QycHywHHw'
    .. 'FTUd05Yc82FOLQYKAPWgnkNGA',
  paypal_body = '{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}',
  paypal_sig = 'mNGeqifVy6+rfJ3eRXBlsJrc1lUi6lOEbTwQk5bosq1TE9m6sQ6buvUNsjhr3z+EIgWaHUJKhs73'
    .. 'ttEQ3yx5zNSORGJF+HyfWu1jum+aJaenI/b06Xwo2CVvduhrdI0QU9t/f+89PCroOAH0wKyb+KML'
    .. 'OfxC5T6IIpVLExKuAer+7kaWNy/e6//R5Dz/pPeEWnmgqb/56WKqpoFJIiGonP8+zeB4Xp9kzRlq'
    .. 'PXvrekkAK8CgShjtVIsjlA0pME/MndJ9Ac90wnQx3nmWXcPMN8ACdcwj5beKJOS6AmfcBbZVMJkH'
    .. 'QoOJIj6SAlj1MXFeUebdWB68Gqkp4FEyf4+Qfw==',
  sns1 = '{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-west-1:1'
    .. ':orders","Message":"hi","Timestamp":"2026-01-01T00:00:00.000Z","SignatureVer'
    .. 'sion":"1","SigningCertURL":"https://sns.eu-west-1.amazonaws.com/SimpleNotifi'
    .. 'cationService-0a1b.pem","Subject":"s","Signature":"W00CRoEuPoW0ey2pjdTT5PjiV'
    .. 'E0xx8GEdWzfHKLSPYyHznPIK7LzbQ711ZoUuXt770H5R45Hm13uNMJY6whCnLWRK3oawDHalwwr3'
    .. 'sOK9mzZLOjqdgBZHXXN0JDqS8uFGj1RLVRz383FMpzQ8KajJe5sJMNqrUs21/dSfVsilWBhYtXxl'
    .. 'JKG5Q7Iu8U0SvgbhUqheUa+Bv1uDjN0S/X40V+dutavbKwpuq2SO9/wEPKJVoZxPZLNa5JEG+pdd'
    .. 'aM5WEPtR1N9gVQMCs34fx3oGb+p0DO7200DQDd0Tzx4BiwEKxU2hkATz+KFvOkHPQIyr2zEU0leo'
    .. 'xpMdwiNIZgUpA=="}',
  sns2 = '{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-west-1:1'
    .. ':orders","Message":"hi","Timestamp":"2026-01-01T00:00:00.000Z","SignatureVer'
    .. 'sion":"2","SigningCertURL":"https://sns.eu-west-1.amazonaws.com/SimpleNotifi'
    .. 'cationService-0a1b.pem","Signature":"mwNPOXDgCT6BV2OTOap3fNpeZbQadABKgtbTky4'
    .. 'OvYCms9JLkL1jppAOmoylePG+T3+sjr7DCtmFHcM/+QzzAoW1dNWHcDiK45WqQUKg6Fzy+C14qsv'
    .. 'JYbH1VQwbIWAUR02I5P+SXWY5GuEm8SU+yLt24+4/sdMVSTF9vzq/3goI0UDf8FeLJ46oaaDdBfD'
    .. '0Lv+G72pSzbVa8eQ03FYneXFXNFxjisI1R+W92gDU24O/u3l0lXaZeZsJl9Md3wA9Xrs39vTntbM'
    .. 'vTLj0+MOUpE5pxQTgQ6FVgJzCD+/HEcbw2HfIkR29lcYrmytPjTl6JbFs1dgy2t4v9S7TO9CwPg='
    .. '="}',
  sns_confirm = '{"Type":"SubscriptionConfirmation","MessageId":"m-1","TopicArn":"arn:aws:sns'
    .. ':eu-west-1:1:orders","Message":"hi","Timestamp":"2026-01-01T00:00:00.000Z","'
    .. 'SignatureVersion":"2","SigningCertURL":"https://sns.eu-west-1.amazonaws.com/'
    .. 'SimpleNotificationService-0a1b.pem","Token":"t","SubscribeURL":"https://sns.'
    .. 'eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t","Signature":"Uj'
    .. 'taio0+TAYpHCDLI2E2VxgFzEjPdO/Hvhp+ZIJuiWbsnHoP3xRA5CjK9Kz0ow08NHdhdCzUTA3x5y'
    .. 'zow9vs3/K27NJL0DeGlaljd2Oi8GGgjH0ubs663ED5mBoGsQC7k/OWvUOBdI4cz00dJvMtKbVSU7'
    .. 'V7eorATOtnMrVe3e1iRegBBfaeUdl1b8SJqUw1oODN/AKMo1/ZTEPRpIsBwo1Dw3x+zxTAnYRG96'
    .. 'VgLgklXJjbp5MneLcJqH9dTNUhKO0ZMPrYfuBkgMwW0JioEIwrqfus2AvZ3GP1UqggmwpFx1p2eK'
    .. 'zLTor7qrgwVf95lW17EccnpCxVhOV9DPhGKg=="}',
}

local JWKS_URL = "https://keys.example/.well-known/jwks.json"
local SECRET = "a secret that is long enough"

local function test(source)
  return rig.test(source, { now = "2026-01-01T00:00:00Z", secrets = { S = SECRET } })
end

-- 200, or why not.
local function judge(t, body, headers)
  local answer = t:receive("it", { body = body, headers = headers })
  return answer.reason or answer.status
end

describe("the provider", function()
  after_each(rig.finish)

  describe("fusionauth", function()
    local function judge_token(t, token, body)
      return judge(t, body or made.fusion_body, { ["X-FusionAuth-Signature-JWT"] = token })
    end
    local function by_secret()
      return test [[anzol.source("it", { provider = anzol.provider.fusionauth {
        secret = { "one before that one", anzol.secret "S" } } })]]
    end
    local function by_keys()
      return test(([[anzol.source("it", { provider = anzol.provider.fusionauth {
        jwks_url = %q } })]]):format(JWKS_URL))
    end

    it("takes tokens by a shared secret", function()
      local t = by_secret()
      assert.equal(200, judge_token(t, made.hs256))
      assert.equal("fusionauth.user.create", t.events[1].type)
      assert.matches("is not the digest of the body", judge_token(t, made.hs256, made.fusion_body .. " "))
      for at = #made.hs256 - 60, #made.hs256 - 2, 7 do
        local forged = made.hs256:sub(1, at - 1)
          .. (made.hs256:sub(at, at) == "A" and "B" or "A") .. made.hs256:sub(at + 1)
        assert.is_string(judge_token(t, forged))
      end
    end)

    it("takes tokens by published keys of each kind, which are fetched once", function()
      local t = by_keys()
      local fetched = 0
      t:http(JWKS_URL, function()
        fetched = fetched + 1
        return { status = 200, body = made.jwks }
      end)
      for _, name in ipairs { "rs256", "es256", "eddsa" } do
        assert.equal(200, judge_token(t, made[name]), name)
        local other = name == "rs256" and "es256" or "rs256"
        local mixed = made[name]:match "^.*%." .. made[other]:match "[^.]*$"
        assert.equal("the token's signature does not match", judge_token(t, mixed))
      end
      assert.equal(1, fetched)
      assert.matches("is not published", judge_token(t, made.unknown))
      assert.equal(2, fetched, "a key that is not there is asked for once more")
      assert.matches("is not published", judge_token(t, made.unknown))
      assert.equal(2, fetched, "but not by everybody who makes one up")
      t:advance "61s"
      assert.matches("is not published", judge_token(t, made.unknown))
      assert.equal(3, fetched)
    end)

    it("lets the kind of key say which algorithms there are, not the token", function()
      local keys, secret = by_keys(), by_secret()
      assert.matches("not signed by a public key", judge_token(keys, made.confused))
      assert.matches("not signed by a public key", judge_token(keys, made.none))
      assert.matches("not signed by a shared secret", judge_token(secret, made.none))
      assert.matches("not signed by a shared secret", judge_token(secret, made.rs256))
    end)

    it("holds tokens to their times", function()
      local t = by_secret()
      assert.matches("is expired", judge_token(t, made.expired))
      assert.matches("not yet valid", judge_token(t, made.early))
    end)

    it("refuses what is no token, and says so if the keys cannot be had", function()
      local t = by_keys()
      for _, text in ipairs { "", "x", "a.b", "a.b.c", ".. ", made.rs256 .. ".x",
        ("a"):rep(9000) .. ".b.c", "bnVsbA.bnVsbA.AAAA" } do
        assert.equal("this is no token", judge_token(t, text))
      end
      assert.equal("header X-FusionAuth-Signature-JWT is missing", judge(t, made.fusion_body))
      t:http(JWKS_URL, { status = 503 })
      assert.equal(JWKS_URL .. " answered 503", judge_token(t, made.rs256))
      t:http(JWKS_URL, { error = "connect" })
      assert.matches("^connect: ", judge_token(t, made.rs256))
      t:http(JWKS_URL, { status = 200, body = "{}" })
      assert.equal("no JWKS", judge_token(t, made.rs256))
      t:http(JWKS_URL, { status = 200, body = '{"keys":[1,{"kty":"RSA","kid":"r1"}]}' })
      assert.matches("is not published", judge_token(t, made.rs256))
    end)
  end)

  it("google_pubsub takes Google's tokens for this audience and account only", function()
    local t = test [[anzol.source("it", { provider = anzol.provider.google_pubsub {
      audience = "https://a.example/in", email = "push@a.example" } })]]
    t:http("https://www.googleapis.com/oauth2/v3/certs", { status = 200, body = made.jwks })
    local body = '{"message":{"messageId":"7","data":""},"subscription":"s"}'
    local function judge_token(token)
      return judge(t, body, { Authorization = "Bearer " .. token })
    end
    assert.equal(200, judge_token(made.google))
    assert.matches("for another audience", judge_token(made.google_aud))
    assert.matches("of another service account", judge_token(made.google_email))
    assert.matches("not of Google's", judge_token(made.google_iss))
    assert.matches("not of Google's", judge_token(made.rs256))
    assert.matches("Authorization is missing", judge(t, body))
    t:advance "12m"
    assert.matches("is expired", judge_token(made.google))
  end)

  describe("paypal", function()
    local function headers(changes)
      local values = { ["PAYPAL-TRANSMISSION-ID"] = "tid-1", ["PAYPAL-AUTH-ALGO"] = "SHA256withRSA",
        ["PAYPAL-TRANSMISSION-TIME"] = "2026-01-01T00:00:00Z",
        ["PAYPAL-TRANSMISSION-SIG"] = made.paypal_sig,
        ["PAYPAL-CERT-URL"] = "https://api.paypal.com/v1/notifications/certs/CERT-1" }
      for name, value in pairs(changes or {}) do values[name] = value or nil end
      return values
    end

    it("takes what its certificate proves, which is fetched once", function()
      local t = test [[anzol.source("it",
        { provider = anzol.provider.paypal { webhook_id = "WHID" } })]]
      local fetched = 0
      t:http("https://api.paypal.com/*", function()
        fetched = fetched + 1
        return { status = 200, body = made.cert }
      end)
      assert.equal(200, judge(t, made.paypal_body, headers()))
      assert.equal("paypal.PAYMENT.CAPTURE.COMPLETED", t.events[1].type)
      for name, value in pairs { ["PAYPAL-TRANSMISSION-ID"] = "tid-2",
        ["PAYPAL-TRANSMISSION-TIME"] = "2026-01-01T00:00:01Z" } do
        assert.matches("no signature", judge(t, made.paypal_body, headers { [name] = value }))
      end
      assert.matches("no signature", judge(t, made.paypal_body .. " ", headers()))
      assert.equal(1, fetched)
      t:advance "61m"
      assert.equal(200, judge(t, made.paypal_body, headers()))
      assert.equal(2, fetched)
    end)

    it("asks nobody but PayPal for a certificate", function()
      local t = test [[anzol.source("it",
        { provider = anzol.provider.paypal { webhook_id = "WHID" } })]]
      for _, url in ipairs { "http://api.paypal.com/v1/notifications/certs/C",
        "https://api.paypal.com.evil.example/v1/notifications/certs/C",
        "https://evil.example/v1/notifications/certs/C", "https://paypal.com/x",
        "https://api.paypal.com@evil.example/v1/notifications/certs/C",
        "https://api.paypal.com/v1/notifications/certs/../../x",
        "https://api.paypal.com:8443/v1/notifications/certs/C" } do
        assert.equal("PAYPAL-CERT-URL is none of PayPal's",
          judge(t, made.paypal_body, headers { ["PAYPAL-CERT-URL"] = url }))
      end
      assert.matches("is not SHA256withRSA",
        judge(t, made.paypal_body, headers { ["PAYPAL-AUTH-ALGO"] = "none" }))
      assert.matches("is not base64",
        judge(t, made.paypal_body, headers { ["PAYPAL-TRANSMISSION-SIG"] = "!" }))
      assert.matches("too long", judge(t, made.paypal_body, headers { ["PAYPAL-CERT-URL"] =
        "https://api.paypal.com/v1/notifications/certs/" .. ("C"):rep(400) }))
      local none = headers()
      none["PAYPAL-CERT-URL"] = nil
      assert.equal("header PAYPAL-CERT-URL is missing", judge(t, made.paypal_body, none))
      t:http("https://api.paypal.com/*", { status = 200, body = "no certificate" })
      assert.matches("holds no certificate", judge(t, made.paypal_body, headers()))
    end)
  end)

  describe("aws_sns", function()
    local function load(topic)
      local t = test(([[anzol.source("it", { provider = anzol.provider.aws_sns {
        topic_arn = %q } })]]):format(topic or "arn:aws:sns:eu-west-1:1:orders"))
      return t
    end

    it("takes both versions of signatures, of messages and confirmations", function()
      local t = load()
      t:http("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-*",
        { status = 200, body = made.cert })
      assert.equal(200, judge(t, made.sns1))
      assert.equal(200, judge(t, made.sns2))
      assert.equal("aws_sns.Notification", t.events[1].type)
      assert.matches("does not match", judge(t, (made.sns1:gsub('"hi"', '"ho"'))))
      assert.matches("does not match", judge(t, (made.sns1:gsub('"Subject":"s"', '"Subject":"t"'))))
      assert.matches("neither 1 nor 2",
        judge(t, (made.sns1:gsub('"SignatureVersion":"1"', '"SignatureVersion":"3"'))))
      assert.matches("does not match",
        judge(t, (made.sns1:gsub('"SignatureVersion":"1"', '"SignatureVersion":"2"'))))
    end)

    it("confirms a subscription to its topic by fetching what Amazon says", function()
      local t = load()
      local confirmed = 0
      t:http("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-*",
        { status = 200, body = made.cert })
      t:http("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription*", function()
        confirmed = confirmed + 1
        return { status = confirmed == 1 and 200 or 500 }
      end)
      assert.equal(200, t:receive("it", { body = made.sns_confirm }).status)
      assert.equal(502, t:receive("it", { body = made.sns_confirm }).status)
      assert.equal(0, #t.events)
      assert.matches("does not match", judge(t, (made.sns_confirm:gsub('"Token":"t"', '"Token":"u"'))))
      assert.equal(2, confirmed)
    end)

    it("asks nobody but Amazon, and takes no topic but its own", function()
      local t = load()
      for _, url in ipairs { "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.evil.example/SimpleNotificationService-a.pem",
        "https://sns.a.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
        "https://s3.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.eu-west-1.amazonaws.com/other.pem" } do
        assert.equal("SigningCertURL is none of Amazon's", judge(t, (made.sns1:gsub(
          '"SigningCertURL":"[^"]*"', function() return '"SigningCertURL":"' .. url .. '"' end))))
      end
      assert.equal("the message is of another topic",
        judge(load "arn:aws:sns:eu-west-1:1:others", made.sns1))
      assert.equal("the body is no message of SNS", judge(t, "[]"))
      assert.equal(400, t:receive("it", { body = "no JSON" }).status)
    end)
  end)

  it("mailgun signs a test request in its body", function()
    local t = test [[anzol.source("it",
      { provider = anzol.provider.mailgun { secret = anzol.secret "S" } })]]
    local answer = t:receive("it", { json = { ["event-data"] = { event = "opened" } }, sign = true })
    assert.equal(200, answer.status, answer.reason)
    assert.equal("mailgun.opened", t.events[1].type)
    assert.matches('"signature":{', t.events[1].body)
  end)

  it("says what it needs", function()
    for code, words in pairs {
      ["anzol.provider.paypal {}"] = "needs 'webhook_id'",
      ["anzol.provider.aws_sns {}"] = "needs 'topic_arn'",
      ["anzol.provider.google_pubsub {}"] = "needs 'audience'",
      ["anzol.provider.google_pubsub { audience = 'a' }"] = "needs 'email'",
      ["anzol.provider.fusionauth {}"] = "needs 'secret'",
      ["anzol.provider.fusionauth { jwks_url = 'http://a' }"] = "is an https URL",
      ["anzol.provider.paypal { secret = 's' }"] = "unknown option 'secret'",
    } do
      assert.is_truthy(rig.message_of(rig.test, code):find(words, 1, true))
    end
  end)
end)
