# The findings of an analytics document, one object a line. fromdateiso8601 reads neither fractions nor offsets,
# so both are taken off first and reckoned in.
def epoch:
  .[19:] as $rest
  | (.[:19] + "Z" | fromdateiso8601)
  + if $rest == "Z" then 0
    elif $rest | endswith("Z") then "0" + $rest[:-1] | tonumber
    else
      ("0" + $rest[:-6] | tonumber)
      - ($rest[-6:-5] + "1" | tonumber) * (($rest[-5:-3] | tonumber) * 3600 + ($rest[-2:] | tonumber) * 60)
    end;

((.timestamp | epoch) - 45 * 86400) as $limit
| .analytics.keyBreakdown[]
| {
    id, name, keyPrefix, lastUsedAt, isActive,
    rule: (
      if .isActive | not then "expired"
      elif .lastUsedAt == null then "never-used"
      elif (.lastUsedAt | epoch) <= $limit then "stale"
      else empty
      end
    )
  }
