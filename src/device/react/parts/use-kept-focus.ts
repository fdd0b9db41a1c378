import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react';

/** Takes the focus into a place when what had it there is gone: the keyboard would otherwise begin at the page's top. */
export function useKeptFocus(place: RefObject<HTMLElement | null>): void {
  const had = useRef(false);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const onIn = (): void => {
      had.current = true;
    };
    const onOut = (event: FocusEvent): void => {
      // Without a next one, focus was lost or the window was left: both are no choice of another place.
      if (event.relatedTarget) had.current = element.contains(event.relatedTarget as Node);
    };
    element.addEventListener('focusin', onIn);
    element.addEventListener('focusout', onOut);
    return () => {
      element.removeEventListener('focusin', onIn);
      element.removeEventListener('focusout', onOut);
    };
  }, [place]);
  useLayoutEffect(() => {
    if (had.current && document.activeElement === document.body && document.hasFocus())
      place.current?.focus();
  });
}
