"""What the three services share; it knows none of them."""

import zoneinfo

# Zones come from the pinned tzdata package alone: two machines with system files of different years would plan
# the same nudge for different hours.
zoneinfo.reset_tzpath(to=())
