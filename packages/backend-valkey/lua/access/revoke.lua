--- Revokes a token for ever. Answers 'revoked', 'already_revoked', or 'none'.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args token: string
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  tokens.open(u)
  local token = directory.get(u, 'tokens', a[1])
  if not token then return 'none' end
  if token[tokens.REVOKED] ~= -1 then return 'already_revoked' end
  token[tokens.REVOKED] = u.now
  tokens.set(u, a[1], token)
  return 'revoked'
end
