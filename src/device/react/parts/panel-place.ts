/** A box in the window, in pixels from its upper left corner. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface PanelPlace {
  readonly left: number;
  /** From the window's upper edge, or null where the panel opens upwards. */
  readonly top: number | null;
  /** From the window's lower edge, or null where the panel opens downwards. */
  readonly bottom: number | null;
  /** How high it may be. */
  readonly room: number;
}

/** Between the panel and the edges of the window. */
const MARGIN = 8;
/** Between the button and the panel. */
const GAP = 8;
/** With less room than this below the button, the panel opens to the side that has more. */
const ENOUGH = 320;

/**
 * Where a panel goes so that all of it is inside the window: below its button, their ends aligned. It is moved to the other
 * side, and then inwards, where it would not fit. Sizes in pixels.
 *
 * @param width of the panel
 * @param rtl whether the text runs from right to left
 */
export function placePanel(
  button: Box,
  width: number,
  view: { width: number; height: number },
  rtl: boolean,
): PanelPlace {
  const rightmost = view.width - MARGIN - width;
  const atRight = button.right - width;
  const wanted = rtl ? button.left : atRight;
  const fits = wanted >= MARGIN && wanted <= rightmost;
  const left = Math.max(MARGIN, Math.min(fits ? wanted : rtl ? atRight : button.left, rightmost));
  // A button that was scrolled out of the window takes no panel along.
  const below = view.height - MARGIN - Math.max(button.bottom + GAP, MARGIN);
  const above = Math.min(button.top - GAP, view.height - MARGIN) - MARGIN;
  return below >= ENOUGH || below >= above
    ? { left, top: Math.max(button.bottom + GAP, MARGIN), bottom: null, room: below }
    : {
        left,
        top: null,
        bottom: Math.max(view.height - button.top + GAP, MARGIN),
        room: above,
      };
}
