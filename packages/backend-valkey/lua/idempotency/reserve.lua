--- Records idempotency keys before their submissions, and says what each stands for. A repeat counts once more, which is harmless:
-- at worst a key outlives a refusal.
-- @flags
-- @brings submit
-- @args items: [name: string, target: string, kind: string, content: string, ttlMs: int][]
-- @reply [word: string, target: string, reservedMs: int][]
-- @errors corruption schema_mismatch
return function(u, a)
  return idempotency.reserve(u, a[1])
end
