-- Asks certbound whether a request may pass: http-request lua.certbound_gate NAME

-- Where certbound listens, and its endpoint, to which the name of the gate is added.
local certbound = "unix@/run/certbound/certbound.sock"
local endpoint = "http://certbound/oauth2/verify/"

-- What the application is told.
local told = {
  "X-Auth-Subject",
  "X-Auth-Client-Id",
  "X-Auth-Scope",
  "X-Auth-Expires",
  "X-Auth-Thumbprint",
  "X-Auth-Issuer",
}

-- Every line that the client sent under a name. Two are certbound's to refuse, not ours to choose from.
local function lines(headers, name)
  local found = {}
  local sent = headers[name]
  if sent then
    for at = 0, #sent do
      found[#found + 1] = sent[at]
    end
  end
  return found
end

local function verdict(txn)
  if txn.f:ssl_c_used() ~= 1 then
    return "NONE"
  end
  local code = txn.f:ssl_c_verify()
  return code == 0 and "SUCCESS" or "FAILED:" .. tostring(code)
end

local function answer(txn, status, gate)
  local reply = txn:reply({ status = status })
  for _, name in ipairs({ "www-authenticate", "retry-after" }) do
    for _, value in ipairs(gate and lines(gate, name) or {}) do
      reply:add_header(name, value)
    end
  end
  reply:add_header("Content-Length", "0")
  txn:done(reply)
end

core.register_action("certbound_gate", { "http-req" }, function(txn, name)
  local client = txn.http:req_get_headers()
  local asked = {
    ["authorization"] = lines(client, "authorization"),
    ["cookie"] = lines(client, "cookie"),
    ["x-clientcert-verify"] = { verdict(txn) },
    -- A token in the query is refused.
    ["x-original-uri"] = { txn.f:url() },
  }
  if txn.f:ssl_c_used() == 1 then
    asked["x-clientcert"] = { txn.c:base64(txn.f:ssl_c_der()) }
  end
  local gate = core.httpclient():get({
    url = endpoint .. name,
    dst = certbound,
    headers = asked,
    timeout = 2000,
  })

  if not gate or gate.status ~= 200 then
    local status = gate and gate.status
    local own = gate and gate.headers and gate.headers["x-gate-status"]
    if own and own[0] == "400" then
      status = 400
    elseif status ~= 401 and status ~= 403 then
      status = 503
    end
    return answer(txn, status, gate and gate.headers)
  end
  for _, header in ipairs(told) do
    local value = gate.headers[header:lower()]
    txn.http:req_set_header(header, value and value[0] or "")
  end
  local cookie = gate.headers["set-cookie"]
  if cookie then
    txn:set_var("txn.gate_cookie", cookie[0])
  end
  txn:set_var("txn.gate_allowed", true)
end, 1)
